use super::*;

fn get(path: &str) -> Option<Response<Bytes>> {
    respond(path, &Method::GET, &HeaderMap::new()).ok()
}

fn page() -> Response<Bytes> {
    get("").expect("the page, or the word that it is missing")
}

#[test]
fn the_page_is_html_under_a_strict_policy_and_is_asked_for_each_time() {
    let page = page();
    let expected = if is_embedded() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    assert_eq!(page.status(), expected);
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.headers()[CACHE_CONTROL].to_str().expect("text").starts_with("no-"));
}

#[test]
fn every_embedded_file_has_its_type_and_what_is_hashed_is_kept() {
    for name in Dist::iter() {
        let reply = get(&name).expect("embedded");
        assert_eq!(reply.status(), StatusCode::OK, "{name}");
        let kind = reply.headers()[CONTENT_TYPE].to_str().expect("text").to_owned();
        match name.rsplit('.').next() {
            Some("js") => assert_eq!(kind, "text/javascript; charset=utf-8"),
            Some("css") => assert_eq!(kind, "text/css; charset=utf-8"),
            Some("svg") => assert_eq!(kind, "image/svg+xml"),
            _ => assert_ne!(kind, "application/octet-stream", "{name}"),
        }
        let kept = reply.headers()[CACHE_CONTROL].to_str().expect("text").contains("immutable");
        assert_eq!(kept, name.starts_with(HASHED), "{name}");
    }
}

#[test]
fn a_page_that_was_seen_before_is_not_sent_again() {
    let first = page();
    let Some(tag) = first.headers().get(ETAG) else {
        assert!(!is_embedded());
        return;
    };
    let seen = HeaderMap::from_iter([(IF_NONE_MATCH, tag.clone())]);
    let again = respond("", &Method::GET, &seen).expect("the page");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.body().is_empty());
}

#[test]
fn what_is_not_a_file_of_the_console_is_left_to_other_routes() {
    for path in ["bookings", "index.htm", "assets/", "../Cargo.toml", "%2e%2e/Cargo.toml", "../mod.rs"] {
        assert!(get(path).is_none(), "{path}");
    }
}

#[test]
fn the_console_is_read_only() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = respond("", &method, &HeaderMap::new()).expect_err("a refusal");
        assert!(refused.find::<ReadOnly>().is_some(), "{method}");
    }
    let refused = respond("bookings", &Method::POST, &HeaderMap::new()).expect_err("a refusal");
    assert!(refused.is_not_found());
}
