-- The engine's own tables. Applied on open; the application's migrations are numbered apart.

-- Values of writes without a task, and of keys without a loader.
CREATE TABLE zmsg_data (
  id         text COLLATE "C" PRIMARY KEY,
  data       bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Leases of the 1,024 node ids that ids carry.
CREATE TABLE zmsg_nodes (
  node_id       integer PRIMARY KEY CHECK (node_id BETWEEN 0 AND 1023),
  -- Random per holder; null when released.
  owner         uuid,
  -- Fencing token: raised by every new holder.
  epoch         bigint NOT NULL,
  expires_at    timestamptz NOT NULL,
  -- Milliseconds since 1970: the last millisecond that any holder so far may have used in an id.
  high_water_ms bigint NOT NULL
);

-- How far each shard's operations are applied; moved by compare-and-set inside the data transaction.
CREATE TABLE zmsg_progress (
  log_id     uuid NOT NULL,
  shard      integer NOT NULL,
  epoch      bigint NOT NULL,
  position   bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, shard)
);

-- Ids of delayed writes that were applied: what the queue delivers twice is applied once.
CREATE TABLE zmsg_operations (
  operation_id uuid PRIMARY KEY,
  applied_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX zmsg_operations_applied_at ON zmsg_operations (applied_at);

-- Applies the folded edits of a map column to its stored value. An edit node is one of
--   {"r": value}            replace whatever is there
--   {"d": true}             delete the key
--   {"m": {key: node, …}}   merge into an object; anything else there is replaced by one
CREATE FUNCTION zmsg_map_edit(base jsonb, edits jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  result jsonb := CASE WHEN jsonb_typeof(base) = 'object' THEN base ELSE '{}'::jsonb END;
  k text;
  node jsonb;
BEGIN
  FOR k, node IN SELECT * FROM jsonb_each(edits) LOOP
    IF node ? 'r' THEN
      result := result || jsonb_build_object(k, node -> 'r');
    ELSIF node ? 'd' THEN
      result := result - k;
    ELSE
      result := result || jsonb_build_object(k, zmsg_map_edit(result -> k, node -> 'm'));
    END IF;
  END LOOP;
  RETURN result;
END
$$;

-- Deep merge: objects key by key, anything else is replaced by the right side.
CREATE FUNCTION zmsg_map_merge(base jsonb, patch jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  result jsonb := CASE WHEN jsonb_typeof(base) = 'object' THEN base ELSE '{}'::jsonb END;
  k text;
  v jsonb;
BEGIN
  FOR k, v IN SELECT * FROM jsonb_each(patch) LOOP
    IF jsonb_typeof(v) = 'object' THEN
      v := zmsg_map_merge(result -> k, v);
    END IF;
    result := result || jsonb_build_object(k, v);
  END LOOP;
  RETURN result;
END
$$;
