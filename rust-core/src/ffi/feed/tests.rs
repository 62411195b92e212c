//! The gate and the panic boundary of a feed's handle.

use super::*;

fn new_feed() -> *mut RbFeed {
    let config = RbFeedConfig {
        bar_capacity: 10,
        trade_capacity: 10,
        max_message: 1 << 20,
    };
    let mut feed = core::ptr::null_mut();
    // SAFETY: both point to live values.
    assert_eq!(unsafe { rb_feed_new(&config, &mut feed) }, RB_OK);
    feed
}

#[test]
fn whoever_comes_second_is_busy_and_nothing_is_written() {
    let feed = new_feed();
    let mut connection = 77;
    let inside = |_: &mut Inner| {
        // SAFETY: the handle is live, and its gate keeps this call out.
        Ok(unsafe { rb_feed_connect(feed, &mut connection) })
    };
    // SAFETY: the handle is live.
    assert_eq!(unsafe { enter(feed, inside) }, RB_ERR_BUSY);
    assert_eq!(connection, 77);
    // SAFETY: the handle is live.
    assert_eq!(unsafe { rb_feed_connect(feed, &mut connection) }, RB_OK);
    assert_eq!(connection, 1);
    // SAFETY: handed back once.
    unsafe { rb_feed_free(feed) };
}

#[test]
fn after_a_panic_the_handle_is_of_no_more_use() {
    let feed = new_feed();
    let broken = |_: &mut Inner| -> Result<Status, Status> { panic!("on purpose") };
    // SAFETY: the handle is live.
    assert_eq!(unsafe { enter(feed, broken) }, RB_ERR_PANIC);
    let mut summary = RbFeedSummary {
        bars_queued: 77,
        ..RbFeedSummary::default()
    };
    for _ in 0..2 {
        // SAFETY: the handle is live, the output too.
        let status = unsafe { rb_feed_resume(feed, &mut summary) };
        assert_eq!(status, RB_ERR_PANIC);
    }
    assert_eq!(summary.bars_queued, 77);
    // SAFETY: handed back once.
    unsafe { rb_feed_free(feed) };
}

#[test]
fn an_answer_without_a_place_changes_nothing() {
    let feed = new_feed();
    let nowhere = core::ptr::null_mut();
    // SAFETY: NULL is allowed for outputs.
    assert_eq!(unsafe { rb_feed_connect(feed, nowhere) }, RB_ERR_NULL);
    let mut connection = 0;
    // SAFETY: the handle is live.
    assert_eq!(unsafe { rb_feed_connect(feed, &mut connection) }, RB_OK);
    assert_eq!(connection, 1);
    // SAFETY: handed back once.
    unsafe { rb_feed_free(feed) };
}
