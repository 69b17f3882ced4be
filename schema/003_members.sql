-- Nodes that share a Redis: which of them are there although Redis does not hear them.
CREATE TABLE zmsg_members (
  -- Random, new each time an engine is opened.
  instance    text PRIMARY KEY,
  -- The channel on which its nodes hear each other.
  fleet       text NOT NULL,
  alive_until timestamptz NOT NULL,
  -- Redis may have old values of what it wrote: set before such a write, reset when they are deleted.
  owes        boolean NOT NULL
);
