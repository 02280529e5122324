-- The table that the sink `clickhouse` inserts into. Columns may be added, as long as they have defaults.
-- Repeats of one event have the same key and become one row when parts are merged; SELECT … FINAL sees
-- one at once. A block that is sent again as a whole is dropped by its token.
CREATE TABLE IF NOT EXISTS eaves
(
    id          String,
    time        DateTime64(9, 'UTC'),
    kind        LowCardinality(String),
    host        LowCardinality(String) DEFAULT '',
    client      String DEFAULT '',
    user        String DEFAULT '',
    domain      LowCardinality(String) DEFAULT '',
    method      LowCardinality(String) DEFAULT '',
    route       LowCardinality(String) DEFAULT '',
    path        String DEFAULT '',
    status      UInt16 DEFAULT 0,
    duration_ns UInt64 DEFAULT 0,
    severity    LowCardinality(String) DEFAULT '',
    incident    String DEFAULT '',
    event       String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (kind, time, id)
SETTINGS non_replicated_deduplication_window = 1000;
