//! Requests that nobody should make: each gets the right status, nothing panics, and no text becomes a script.

use gangline::Db;
use gangline_statistics::data::model::{REVIEWS, USERS};
use gangline_statistics::data::value::Id;

use super::browser::Browser;
use super::http::{Answer, get, request, send};
use super::program::{Program, store};

/// The secret of the forms, as a page has it.
pub(crate) fn token(port: u16) -> String {
    let page = get(port, "/live").body;
    let start = page.find("name=\"token\" value=\"").unwrap() + 20;
    page[start..start + 32].to_owned()
}

pub(crate) fn act(port: u16, action: &str, token: &str, more: &str) -> Answer {
    let more = format!("Content-Type: application/x-www-form-urlencoded\r\n{more}");
    request(port, "POST", &format!("/live/{action}"), &more, &format!("token={token}"))
}

#[test]
fn wrong_requests_get_the_right_status() {
    let program = Program::start();
    let port = program.port;
    let host = format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (path, status) in [
        ("/nothing", 404),
        ("/sellers/", 404),
        ("/sellers/x", 404),
        ("/sellers/00000000000000000000000000000000", 404),
        ("/products/..%2f..%2fetc%2fpasswd", 404),
        ("/sellers/%ff%fe", 400),
        ("/sellers?q=%ff%00%zz&sort=none&order=up&page=99999999999999999999", 200),
        ("/sellers?page=-1&sort=%3Cscript%3E", 200),
        ("/sellers?q=a&q=b", 400),
        ("/reviews?score=9&page=0", 200),
        ("/live/events/x", 404),
        ("/live/start", 405),
    ] {
        assert_eq!(get(port, path).status, status, "{path}");
    }
    let long = "a".repeat(3_000);
    assert_eq!(get(port, &format!("/{long}")).status, 414);
    assert_eq!(get(port, &format!("/sellers?q={long}")).status, 414);
    let longer = "a".repeat(100_000);
    assert!([414, 431].contains(&get(port, &format!("/{longer}")).status));
    assert_eq!(send(port, format!("GET / HTTP/1.1\r\n{host}X: {longer}\r\n\r\n").as_bytes()).status, 431);
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(send(port, format!("GET / HTTP/1.1\r\n{host}{many}\r\n").as_bytes()).status, 431);
    for garbage in
        ["GET\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{7f}\u{80} HTTP/1.1\r\n\r\n"]
    {
        assert_eq!(send(port, garbage.as_bytes()).status, 400, "{garbage:?}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        assert_eq!(request(port, method, "/", "", "").status, 405, "{method}");
    }
    for host in ["example.org", "127.0.0.1.example.org", ""] {
        let asked = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(send(port, asked.as_bytes()).status, 421, "{host}");
    }
    let head = get(port, "/").head.to_lowercase();
    for line in ["content-security-policy: default-src 'none'; script-src 'self'", "x-content-type-options: nosniff"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(
        !head.contains("unsafe-inline") && get(port, "/nothing").head.to_lowercase().contains("default-src 'none'")
    );
    let (log, _) = program.end("TERM");
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

#[test]
fn live_actions_are_taken_from_here_only() {
    let program = Program::start();
    let (port, token) = (program.port, token(program.port));
    assert_eq!(act(port, "start", &"0".repeat(32), "").status, 403);
    assert_eq!(act(port, "start", "", "").status, 403);
    for elsewhere in ["Origin: http://example.org\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(act(port, "start", &token, elsewhere).status, 403, "{elsewhere}");
    }
    assert_eq!(act(port, "dance", &token, "").status, 404);
    assert_eq!(act(port, "start", &(token.clone() + &"x".repeat(5_000)), "").status, 413);
    assert_eq!(request(port, "POST", "/live/start", "", &format!("token={token}")).status, 415);
    assert!(get(port, "/live").body.contains("Nobody shops."));
    assert_eq!(act(port, "start", &token, "").status, 303);
    assert!(get(port, "/live").body.contains("The shoppers are in."));
    assert_eq!(act(port, "stop", &token, "").status, 303);
    program.end("TERM");
}

#[test]
fn texts_of_the_store_are_no_scripts() {
    const HOSTILE: &str =
        "</p></article><script>window.hit=1</script><img src=x onerror='window.hit=2'>\"'><svg onload=window.hit=3>";
    let (_, folder) = Program::start().end("TERM");
    {
        let db = Db::open(store(folder.path())).unwrap();
        let ((id, order), review) = db.first(REVIEWS).unwrap().unwrap();
        let mut review = review.to_owned();
        (review.title, review.message) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
        db.put(REVIEWS, (id, order), review).unwrap();
        let seller = Id::parse("7e93a43ef30c4f03f38b393420bc753a").unwrap();
        let mut user = db.get(USERS, seller).unwrap().unwrap().to_owned();
        (user.city, user.state) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        db.put(USERS, seller, user).unwrap();
        db.close().unwrap();
    }
    let program = Program::on(folder);
    let encoded = "%3Cscript%3Ewindow.hit";
    let paths = ["/", "/sellers", "/sellers/7e93a43ef30c4f03f38b393420bc753a", &format!("/reviews?q={encoded}")];
    for path in paths {
        let page = get(program.port, path).body;
        assert!(!page.contains("<script>window") && !page.contains("<img") && !page.contains("<svg onload"), "{path}");
    }
    assert!(get(program.port, &format!("/reviews?q={encoded}")).body.contains("&lt;script&gt;window.hit=1"));
    let Some(mut browser) = Browser::start() else { return };
    for path in paths {
        browser.open(&program.url(path));
        assert_eq!(browser.eval("typeof window.hit"), "undefined", "{path}");
    }
    // One that gets through all the same is stopped by the policy.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<svg onload=\"window.hit=4\"></svg><b onclick=\"window.hit=5\" id=trap>x</b>')");
    browser.click("#trap");
    assert_eq!(browser.eval("typeof window.hit"), "undefined");
    assert!(!browser.errors().is_empty(), "the browser says that it has refused");
}
