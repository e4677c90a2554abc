-- Included by others as {visible}: this caller may see this intent. Without workspace_id (a key that may not read):
-- only what it sent or gets.
intent.organization_id = %(organization_id)s
    AND (
        %(is_admin)s::boolean
        OR intent.workspace_id = %(workspace_id)s::uuid
        OR intent.recipient_id = %(agent_id)s
        OR intent.sender_id = %(agent_id)s
    )
