{# Every visible row is the tenant's whose run this is: fails where row-level security is not forced. #}
{% test of_this_tenant(model, column_name) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} is distinct from platform.current_tenant()
{% endtest %}
