valk_harness::test! {
    fn placeholder() {}
}
