use crate as valk_harness;
valk_harness::test! { fn smoke() { assert_eq!(1 + 1, 2); } }
valk_harness::cases! { fn bulk(n: usize) in numbers() { assert!(n < 100_000); } }
fn numbers() -> impl Iterator<Item = (String, usize)> {
    let n = std::env::var("VALK_BULK").ok().and_then(|n| n.parse().ok()).unwrap_or(3usize);
    (0..n).map(|n| (n.to_string(), n))
}
