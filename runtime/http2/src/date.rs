//! The `date` field of responses (RFC 9110 section 6.6.1), made once per second and thread.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use valk_net::Clock;

/// The end of the year 9999, behind which the format has no dates.
const LAST_SECOND: u64 = 253_402_300_799;

/// Tells the date as a header value.
pub(crate) struct DateField {
    clock: Clock,
    made: RefCell<Option<(Duration, HeaderValue)>>,
}

impl DateField {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, made: RefCell::new(None) }
    }

    /// The date now.
    pub(crate) fn now(&self) -> HeaderValue {
        let second = Duration::from_secs(self.clock.unix_time().as_secs().min(LAST_SECOND));
        let mut made = self.made.borrow_mut();
        match &*made {
            Some((at, value)) if *at == second => value.clone(),
            _ => {
                let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + second);
                let value = HeaderValue::try_from(text).expect("a date is visible ASCII");
                *made = Some((second, value.clone()));
                value
            }
        }
    }
}
