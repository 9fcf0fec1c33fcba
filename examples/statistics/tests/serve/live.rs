//! The live page: its buttons, its counters, who waits for whom, and the end.

use gangline::{Db, Options};
use gangline_statistics::data::model::{ORDER_ITEMS, ORDERS, PLACED, TAKINGS};
use gangline_statistics::data::value::Cents;
use gangline_statistics::numbers::Numbers;

use super::browser::{Browser, Look};
use super::program::{Program, store};

/// Items and money of the orders that were placed live, and what is written for the sellers.
fn live_sums(db: &Db) -> [(u64, Cents); 2] {
    let placed = db.query(ORDERS).select(|order| order.status == PLACED).project(|order| order.id).collect().unwrap();
    let placed: std::collections::HashSet<_> = placed.into_iter().collect();
    let items = db.query(ORDER_ITEMS).select(|item| placed.contains(&item.order)).rows().unwrap();
    let takings = db.query(TAKINGS).rows().unwrap();
    [
        (items.len() as u64, items.iter().map(|item| item.price).sum()),
        (takings.iter().map(|row| row.items).sum(), takings.iter().map(|row| row.revenue).sum()),
    ]
}

#[test]
fn shoppers_move_the_counters_and_maintenance_makes_them_wait() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    browser.open(&program.url("/live"));
    let number = |selector: &str| format!("+document.querySelector('{selector}').innerText.replaceAll(',', '')");
    assert_eq!(browser.eval(&number("#count-orders")), 8_135);
    browser.click("#start");
    browser.wait_for("document.querySelector('#live-state').innerText.includes('The shoppers are in.')");
    browser.wait_for(&format!("{} > 8200", number("#count-orders")));
    browser.wait_for(&format!("{} > 0", number("#live-commits")));
    browser.wait_for(&format!("{} > 0 && {} > 0", number("#live-waits"), number("#live-restarts")));
    browser.wait_for("document.querySelectorAll('#live-locks tbody tr').length > 0");
    browser.wait_for("document.querySelectorAll('#live-orders-chart svg, #live-sellers-chart svg').length === 2");
    browser.wait_for("document.querySelector('#live-review').innerText.includes(' of 5: ')");

    browser.click("#maintenance");
    browser.wait_for("document.querySelector('#live-state progress')");
    browser.wait_for("document.querySelectorAll('#live-chains > ul > li').length >= 4");
    let chain = browser.text("#live-chains > ul > li");
    assert!(chain.contains("order by shopper") && chain.contains("maintenance ("), "{chain}");
    browser.look(Look::Light);
    browser.screenshot("live-light");
    browser.look(Look::Dark);
    browser.screenshot("live-dark");
    browser.eval("document.querySelector('#live-orders-chart').scrollIntoView()");
    browser.screenshot("waits-dark");
    browser.look(Look::Phone);
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.screenshot("live-phone");
    browser.look(Look::Light);
    browser.wait_for("document.querySelector('#live-state').innerText.includes('agree with')");

    browser.click("#stop");
    browser.wait_for("document.querySelector('#live-state').innerText.includes('Nobody shops.')");
    browser.wait_for("document.querySelector('#live-chains').innerText.includes('Nobody waits.')");
    // The overview has counters that move, too; they are those of the last commit now.
    browser.open(&program.url("/"));
    let orders = browser.text("#count-orders");
    let revenue = browser.text("#count-revenue");
    assert_eq!(browser.errors(), [""; 0]);
    drop(browser);

    let (log, folder) = program.end("TERM");
    assert!(log.contains("stopping") && log.contains("closed") && !log.contains("ERROR"), "{log}");
    let db = Options::new().create(false).open(store(folder.path())).unwrap();
    let numbers = Numbers::compute(&db).unwrap();
    assert_eq!(orders.replace(',', ""), numbers.orders.to_string());
    assert_eq!(revenue.replace("R$ ", "").replace(',', ""), numbers.revenue.to_string());
    let [items, takings] = live_sums(&db);
    assert!(items == takings && items.0 > 65, "{items:?} {takings:?}");
}

#[test]
fn an_interrupt_closes_the_store_while_shoppers_write_and_streams_are_open() {
    let program = Program::start();
    assert!(program.said.contains("loaded 48854\n"), "{}", program.said);
    let token = super::hostile::token(program.port);
    let stream = std::net::TcpStream::connect(("127.0.0.1", program.port)).unwrap();
    use std::io::{Read, Write};
    write!(&stream, "GET /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 4_096];
    assert!((&stream).read(&mut first).unwrap() > 0);
    let from_here = format!("Origin: http://127.0.0.1:{}\r\nSec-Fetch-Site: same-origin\r\n", program.port);
    for action in ["start", "maintenance"] {
        let answer = super::hostile::act(program.port, action, &token, &from_here);
        assert_eq!(answer.status, 303, "{answer:?}");
    }
    let (log, folder) = program.end("INT");
    assert!(log.contains("closed") && !log.contains("ERROR") && !log.contains("did not end in time"), "{log}");
    let mut rest = Vec::new();
    (&stream).read_to_end(&mut rest).unwrap();
    let again = Program::on(folder);
    assert!(again.said.contains("loaded 0\n"), "{}", again.said);
    let (_, folder) = again.end("TERM");
    let db = Options::new().create(false).open(store(folder.path())).unwrap();
    assert!(db.verify().unwrap().is_clean());
    let [items, takings] = live_sums(&db);
    assert_eq!(items, takings);
}
