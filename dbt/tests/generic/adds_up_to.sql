{# The sum of `expression` is the number of rows of `counted`: a mart that shows no rows cannot pass for a correct one. #}
{% test adds_up_to(model, expression, counted) %}
with

actual as (
    select coalesce(sum({{ expression }}), 0) as total from {{ model }}
),

expected as (
    select count(*) as total from {{ counted }}
)

select actual.total as actual_total, expected.total as expected_total
from actual
cross join expected
where actual.total <> expected.total
{% endtest %}
