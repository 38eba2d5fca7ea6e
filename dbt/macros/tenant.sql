{# Without a tenant every table looks empty: the run ends here, before a model is touched. #}
{% macro require_tenant() %}
do $$
begin
  if platform.current_tenant() is null then
    raise exception 'dbt runs for one tenant: set PGOPTIONS=-c app.tenant_id=<uuid>';
  end if;
end $$
{% endmacro %}

{# delete+insert deletes the keys of what it inserts; a tenant that has nothing left would keep its old rows. #}
{% macro forget_tenant() %}
{% if is_incremental() %}
delete from {{ this }} where tenant_id = platform.current_tenant()
{% endif %}
{% endmacro %}

{# The event trigger has done this where there is one; managed servers have none. #}
{% macro isolate() %}
select platform.isolate_table('{{ this }}'::regclass)
from pg_class
where oid = '{{ this }}'::regclass and not (relrowsecurity and relforcerowsecurity)
{% endmacro %}
