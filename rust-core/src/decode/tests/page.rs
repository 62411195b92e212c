//! REST pages: rows, refused rows, and bodies that are none.

use crate::decode::{Field, PageTrade, Reject, RowError, TimeUnit, page_trades};

const ROW: &str = r#"{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}"#;

fn rows(body: &str) -> Vec<Result<PageTrade, RowError>> {
    page_trades(body.as_bytes()).collect()
}

fn ids(rows: &[Result<PageTrade, RowError>]) -> Vec<Result<i64, Option<i64>>> {
    rows.iter()
        .map(|row| match row {
            Ok(trade) => Ok(trade.tick.agg_trade_id),
            Err(error) => Err(error.agg_trade_id),
        })
        .collect()
}

fn row(id: i64) -> String {
    ROW.replace("26129", &id.to_string())
}

#[test]
fn the_documented_row() {
    let rows = rows(&format!("[{ROW}]"));
    let trade = rows[0].as_ref().unwrap();
    assert_eq!(trade.unit, TimeUnit::Millisecond);
    assert_eq!(trade.tick.price_e8, 1_633_102);
    assert_eq!(trade.tick.quantity_e8, 470_443_515);
    assert_eq!(trade.tick.timestamp_us, 1_498_793_709_153_000);
    assert_eq!(
        (trade.tick.first_trade_id, trade.tick.last_trade_id),
        (27781, 27781)
    );
    assert_eq!(trade.tick.is_buyer_maker, 1);
    assert_eq!(rows.len(), 1);
}

#[test]
fn empty_pages_and_blanks() {
    assert!(rows("[]").is_empty());
    assert!(rows(" [ \n ] ").is_empty());
    let body = format!(" [ {} ,\n {} ] \r\n", row(1), row(2));
    assert_eq!(ids(&rows(&body)), [Ok(1), Ok(2)]);
}

#[test]
fn other_orders_and_unknown_keys() {
    let odd =
        r#"{"m":false,"s":[],"x":{"a":1},"T":1735689600123456,"l":9,"f":8,"q":"1","p":"2","a":7}"#;
    let body = format!("[{},{odd},{}]", row(6), row(8));
    let rows = rows(&body);
    assert_eq!(ids(&rows), [Ok(6), Ok(7), Ok(8)]);
    assert_eq!(rows[1].as_ref().unwrap().unit, TimeUnit::Microsecond);
}

#[test]
fn a_refused_row_keeps_its_id_and_text_and_stops_nothing() {
    let bad = row(7).replace("0.01633102", "-1");
    let body = format!("[{},{bad}, {{\"a\":8}},5,{}]", row(6), row(9));
    let rows = rows(&body);
    assert_eq!(
        ids(&rows),
        [Ok(6), Err(Some(7)), Err(Some(8)), Err(None), Ok(9)]
    );
    let error = rows[1].as_ref().unwrap_err();
    assert_eq!(&body[error.text.clone()], bad);
    assert_eq!(error.reason.field(), Some(Field::Price));
    assert!(!error.fatal);
    let error = rows[2].as_ref().unwrap_err();
    assert_eq!(error.reason, Reject::Missing(Field::Price));
    assert_eq!(&body[error.text.clone()], r#"{"a":8}"#);
    let error = rows[3].as_ref().unwrap_err();
    assert_eq!(
        (error.reason, &body[error.text.clone()]),
        (Reject::Shape, "5")
    );
}

#[test]
fn ids_that_cannot_be_trusted_are_not_kept() {
    for row in [
        r#"{"a":-1}"#,
        r#"{"a":"7"}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"p":"1"}"#,
        "{}",
    ] {
        let rows = rows(&format!("[{row}]"));
        assert_eq!(ids(&rows), [Err(None)], "{row}");
    }
}

#[test]
fn a_page_that_was_cut_off_gives_its_whole_rows_first() {
    let body = format!("[{},{}]", row(1), row(2));
    for len in 0..body.len() {
        let rows = rows(&body[..len]);
        let (last, before) = rows.split_last().unwrap();
        let error = last.as_ref().unwrap_err();
        assert!(error.fatal);
        assert!(matches!(error.reason, Reject::Syntax { at } if at <= len));
        let whole = (len > row(1).len()) as usize + (len == body.len() - 1) as usize;
        assert_eq!(before.len(), whole, "{len}");
        assert!(before.iter().all(Result::is_ok));
    }
}

#[test]
fn trailing_bytes_are_fatal_behind_the_rows() {
    let rows = rows(&format!("[{}] x", row(1)));
    assert_eq!(ids(&rows), [Ok(1), Err(None)]);
    assert!(rows[1].as_ref().unwrap_err().fatal);
    let missing_comma = format!("[{}{}]", row(1), row(2));
    assert_eq!(ids(&self::rows(&missing_comma)), [Ok(1), Err(None)]);
    let trailing_comma = format!("[{},]", row(1));
    assert_eq!(ids(&self::rows(&trailing_comma)), [Ok(1), Err(None)]);
}

#[test]
fn bodies_that_are_no_page() {
    let cases = [
        (r#"{"code":-1121,"msg":"Invalid symbol."}"#, Reject::Shape),
        ("null", Reject::Shape),
        ("", Reject::Syntax { at: 0 }),
        ("<html>", Reject::Syntax { at: 0 }),
    ];
    for (body, reason) in cases {
        let rows = rows(body);
        assert_eq!(rows.len(), 1, "{body}");
        let error = rows[0].as_ref().unwrap_err();
        assert_eq!((error.reason, error.fatal), (reason, true), "{body}");
        assert_eq!(error.text, 0..body.len());
    }
}

#[test]
fn deep_rows_are_refused() {
    let rows = rows(&format!("[{{\"x\":{}", "[".repeat(1_000_000)));
    let error = rows[0].as_ref().unwrap_err();
    assert_eq!(
        (error.reason, error.fatal, rows.len()),
        (Reject::TooDeep, true, 1)
    );
}
