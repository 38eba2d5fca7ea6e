-- Needs superuser. Without it (managed servers) migrations isolate their tables themselves and the start-up sweep finds
-- what was forgotten.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'shifty_isolate_new_tables') THEN
    CREATE EVENT TRIGGER shifty_isolate_new_tables ON ddl_command_end
      WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') EXECUTE FUNCTION platform.isolate_new_tables();
  END IF;
END $$;
