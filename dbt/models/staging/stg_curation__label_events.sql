-- Every label given, with its item's mission type and whether it was taken back. Grain: tenant, label event.

with

source as (
    select tenant_id, id, item_id, labeler_id, kind, label, source, tombstones, created_at
    from {{ source('curation', 'label_events') }}
),

items as (
    select tenant_id, id as item_id, mission_type
    from {{ source('curation', 'items') }}
),

renamed as (
    select
        tenant_id,
        id as label_event_id,
        item_id,
        labeler_id,
        label,
        source,
        created_at as labeled_at,
        (created_at at time zone 'UTC')::date as labeled_on
    from source
    where kind = 'label'
),

withdrawals as (
    select tenant_id, tombstones as label_event_id
    from source
    where kind = 'tombstone'
),

joined as (
    select
        renamed.*,
        items.mission_type,
        withdrawals.label_event_id is not null as is_withdrawn
    from renamed
    left join items using (tenant_id, item_id)
    left join withdrawals using (tenant_id, label_event_id)
),

final as (
    select
        tenant_id,
        label_event_id,
        item_id,
        labeler_id,
        mission_type,
        label,
        source,
        is_withdrawn,
        labeled_at,
        labeled_on
    from joined
)

select * from final
