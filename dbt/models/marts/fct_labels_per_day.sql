-- How much was labelled, by whom how many, and how much of it was taken back since.
-- Grain: tenant, UTC day, mission type, source.

{{ config(indexes=[{'columns': ['tenant_id', 'labeled_on', 'mission_type', 'source'], 'unique': true}]) }}

with

source as (
    select * from {{ ref('stg_curation__label_events') }}
),

final as (
    select
        tenant_id,
        labeled_on,
        mission_type,
        source,
        count(*) filter (where not is_withdrawn) as label_count,
        count(*) filter (where is_withdrawn) as withdrawn_count,
        count(distinct item_id) as item_count,
        count(distinct labeler_id) as labeler_count
    from source
    group by tenant_id, labeled_on, mission_type, source
)

select * from final
