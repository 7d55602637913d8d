//! What the server says about itself during a run: series of its Prometheus page, once a second.
//!
//! 1. The page is looked at before the run: a wrong URL or name is an error then.
//! 2. `page` fetches the text over HTTP/2, or HTTP/1.0 if the server has no other there; `text` reads it.
//! 3. A look that fails leaves a gap and is counted; it never ends a run.

pub mod page;
pub mod scraper;
pub mod text;
