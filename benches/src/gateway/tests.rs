use super::*;

#[test]
fn patience_obeys_the_gateway_and_ends() {
    let mut patience = Patience::new(Duration::from_secs(10));
    assert_eq!(patience.next(None), Some(FIRST_WAIT));
    assert_eq!(patience.next(None), Some(FIRST_WAIT * 2));
    assert_eq!(patience.next(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
    assert_eq!(patience.next(Some(Duration::from_secs(11))), None);
}

#[test]
fn an_address_may_have_a_path_and_needs_no_slash() {
    let base = |text: &str| base_url(&Url::parse(text).expect("a URL")).map(|u| u.to_string()).ok();
    assert_eq!(base("http://h:1").as_deref(), Some("http://h:1/"));
    assert_eq!(base("http://h:1/city").as_deref(), Some("http://h:1/city/"));
    assert_eq!(base("ftp://h"), None);
}
