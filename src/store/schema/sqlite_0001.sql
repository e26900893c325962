-- Slashing protection records of one signer process. Layout 1 (PRAGMA user_version); the file says whose
-- it is by PRAGMA application_id, 0x43435350, "CCSP".
--
-- Slots and epochs are unsigned numbers of 64 bits, SQLite's integers are signed. They are stored as
-- value XOR 2^63, which keeps their order: 0 is -9223372036854775808, 2^64 - 1 is 9223372036854775807. The
-- views readable_* show them in decimal; the program never reads the views.

-- One row about the whole.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    genesis_validators_root BLOB NOT NULL,
    in_use INTEGER NOT NULL,     -- 1 while a process works on the file: its -wal belongs to it then
    tally_rows INTEGER NOT NULL, -- of the three tables below
    tally_sum INTEGER NOT NULL,  -- over what is in them and in this row (src/store/tally.h)
    ceiling_slot INTEGER,
    ceiling_epoch INTEGER
) STRICT;

-- Validators and their low watermarks. Ids are 1, 2, 3 and so on without a hole; rows are never deleted.
CREATE TABLE validators (
    id INTEGER PRIMARY KEY,
    pubkey BLOB NOT NULL UNIQUE,
    enabled INTEGER NOT NULL,
    block_slot INTEGER,
    source INTEGER,
    target INTEGER
) STRICT;

-- Rare, so ordered for reading one validator's.
CREATE TABLE blocks (
    validator INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    root BLOB, -- NULL: imported without one
    PRIMARY KEY (validator, slot)
) STRICT, WITHOUT ROWID;

-- Ordered by time: what is signed together lies on few pages, and what is pruned is one range.
CREATE TABLE attestations (
    target INTEGER NOT NULL,
    validator INTEGER NOT NULL,
    source INTEGER NOT NULL,
    root BLOB, -- NULL: imported without one
    PRIMARY KEY (target, validator)
) STRICT, WITHOUT ROWID;

CREATE VIEW readable_validators AS SELECT
    id, lower(hex(pubkey)) AS pubkey, enabled,
    CASE WHEN block_slot < 0 THEN printf('%u', block_slot + 9223372036854775807 + 1)
         WHEN block_slot >= 0 THEN printf('%u', block_slot - 9223372036854775807 - 1) END AS block_slot,
    CASE WHEN source < 0 THEN printf('%u', source + 9223372036854775807 + 1)
         WHEN source >= 0 THEN printf('%u', source - 9223372036854775807 - 1) END AS source,
    CASE WHEN target < 0 THEN printf('%u', target + 9223372036854775807 + 1)
         WHEN target >= 0 THEN printf('%u', target - 9223372036854775807 - 1) END AS target
FROM validators;

CREATE VIEW readable_blocks AS SELECT
    lower(hex(validators.pubkey)) AS pubkey,
    CASE WHEN slot < 0 THEN printf('%u', slot + 9223372036854775807 + 1)
         WHEN slot >= 0 THEN printf('%u', slot - 9223372036854775807 - 1) END AS slot,
    lower(hex(root)) AS root
FROM blocks JOIN validators ON validators.id = blocks.validator;

CREATE VIEW readable_attestations AS SELECT
    lower(hex(validators.pubkey)) AS pubkey,
    CASE WHEN attestations.source < 0 THEN printf('%u', attestations.source + 9223372036854775807 + 1)
         WHEN attestations.source >= 0 THEN printf('%u', attestations.source - 9223372036854775807 - 1) END AS source,
    CASE WHEN attestations.target < 0 THEN printf('%u', attestations.target + 9223372036854775807 + 1)
         WHEN attestations.target >= 0 THEN printf('%u', attestations.target - 9223372036854775807 - 1) END AS target,
    lower(hex(root)) AS root
FROM attestations JOIN validators ON validators.id = attestations.validator;
