//! That no statement looks at more rows than it answers with, however many there are.

use rusqlite::{Connection, StatementStatus, params};

use super::{schema, table};

const ROWS: i64 = 10_000;

/// A registry of that many entries, of which every second is released.
fn filled() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    (schema::FORMAT.create)(&db).unwrap();
    db.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
         INSERT INTO entry (project, session, factory, request, title, origin_kind, origin_id, \
         share, ref, state_file, created_at, last_seen_at, released_at) \
         SELECT CAST('p' AS BLOB), CAST(n AS BLOB), zeroblob(16), zeroblob(16), '', 1, 'u', \
         CAST(printf('%016d', n) AS BLOB), ?2, x'2f', 1, 1, CASE WHEN n % 2 THEN 1 END FROM n",
        params![
            ROWS,
            format!(
                "share://h:1/{0}/{0}?epoch=1#{1}",
                "0".repeat(32),
                "A".repeat(43)
            )
        ],
    )
    .unwrap();
    db
}

/// Rows that the statement gives, and steps of SQLite's machine that it took.
fn run(db: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> (usize, i32) {
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query(values).unwrap();
    let mut count = 0;
    while rows.next().unwrap().is_some() {
        count += 1;
    }
    drop(rows);
    let scanned = statement.get_status(StatementStatus::FullscanStep);
    assert!(scanned <= 2 * 100, "{sql}: {scanned} rows were looked at");
    (count, statement.get_status(StatementStatus::VmStep))
}

#[test]
fn among_10000_entries_one_is_found_and_a_page_is_read_without_looking_at_the_others() {
    let db = filled();
    let (project, session): (&[u8], &[u8]) = (b"p", b"9998");
    let (found, steps) = run(&db, table::BY_NAME, &[&project, &session]);
    assert_eq!(found, 1);
    assert!(steps < 200, "{steps} steps");
    let share: &[u8] = b"0000000000009998";
    let (found, steps) = run(&db, table::BY_SHARE, &[&share]);
    assert_eq!(found, 1);
    assert!(steps < 200, "{steps} steps");
    for after in [0, ROWS / 2, ROWS - 200] {
        let (found, steps) = run(&db, table::PAGE, &[&after, &false, &100]);
        assert_eq!(found, 100);
        assert!(steps < 100 * 100, "{steps} steps after {after}");
    }
    assert_eq!(table::count(&db).unwrap(), 10_000);
    let page = table::page(&db, (ROWS - 5, true), 100).unwrap();
    assert_eq!(page.len(), 5);
}
