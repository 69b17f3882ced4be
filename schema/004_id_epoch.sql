-- Time zero of all ids made with this database, recorded by the first engine. Ids hold milliseconds
-- since then: with a later one they would come again.
CREATE TABLE zmsg_id_epoch (
  is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Milliseconds since 1970.
  epoch_ms bigint NOT NULL
);
