//! Every page in a browser: its numbers, its marks, its search and order, in light, in dark and on a phone.

use super::browser::{Browser, Look};
use super::http::get;
use super::program::Program;

const TOP_SELLER: &str = "7e93a43ef30c4f03f38b393420bc753a";

/// Marks of the charts on a page: bars, without the axes.
fn marks(browser: &mut Browser) -> u64 {
    browser.count(".chart svg rect[fill]:not([fill='none']), .chart svg path[fill]")
}

#[test]
fn the_overview_has_the_numbers_and_charts_of_the_sample() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    browser.open(&program.url("/"));
    // As it is served, and as it is after the live script has put the numbers of the subscriptions in their place.
    let served = get(program.port, "/").body;
    for (id, value) in [
        ("sellers", "1,610"),
        ("customers", "8,135"),
        ("products", "5,460"),
        ("orders", "8,135"),
        ("items", "8,365"),
        ("payments", "8,924"),
        ("reviews", "8,225"),
        ("revenue", "R$ 1,093,264.35"),
        ("freight", "R$ 172,288.39"),
        ("score", "3.2716"),
    ] {
        assert!(served.contains(&format!("<dd id=\"count-{id}\">{value}</dd>")), "{id}");
        assert_eq!(browser.text(&format!("#count-{id}")), value, "{id}");
    }
    assert!(browser.text("main").contains(&format!("Best seller: {TOP_SELLER} with R$ 17,906.20")));
    assert_eq!(browser.count(".chart > svg[role=img][aria-label]"), 5);
    // 14 sellers, 15 categories, 24 months with two gaps, 21 states, 5 scores.
    assert!(marks(&mut browser) >= 75, "{}", marks(&mut browser));
    assert!(
        browser.eval("[...document.querySelectorAll('.chart svg')].every(svg => svg.getBBox().width > 100)") == true
    );
    assert_eq!(browser.count("details table"), 5);
    for look in [Look::Light, Look::Dark, Look::Phone] {
        browser.look(look);
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.eval(fits), true, "{look:?}: the page is wider than the screen");
        browser.screenshot(&format!("overview-{look:?}").to_lowercase());
    }
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn sellers_are_searched_sorted_and_leafed_through() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    browser.open(&program.url("/sellers"));
    assert_eq!(browser.text("#found"), "1,610 of 1,610 sellers");
    assert_eq!(browser.count("#list tbody tr"), 25);
    assert_eq!(browser.count("#list .spark svg path"), 25);
    assert_eq!(browser.text("#list tbody tr:first-child td:nth-of-type(4)"), "17,906.20");
    assert_eq!(browser.text("#list tbody tr:first-child code"), &TOP_SELLER[..8]);
    assert_eq!(browser.count("th[aria-sort=descending]"), 1);

    browser.click("#list th:nth-child(4) a");
    browser.wait_for("location.search.includes('sort=items&order=down')");
    assert_eq!(browser.text("#list tbody tr:first-child td:nth-of-type(3)"), "166");
    browser.click("#list th:nth-child(4) a");
    browser.wait_for("location.search.includes('sort=items&order=up')");
    assert_eq!(browser.text("#list tbody tr:first-child td:nth-of-type(3)"), "1");

    // By keyboard: into the search, words, enter.
    browser.eval("document.querySelector('#q').focus()");
    browser.write("sao paulo");
    browser.press("Enter", 13);
    browser.wait_for("location.search.includes('q=sao')");
    browser.wait_for("document.readyState === 'complete'");
    let found: u64 = browser.text("#found").split(' ').next().unwrap().parse().unwrap();
    assert!((100..1_610).contains(&found), "{found}");
    let towns = "[...document.querySelectorAll('#list tbody td:nth-of-type(1)')].every(td => td.innerText.includes('sao paulo'))";
    assert_eq!(browser.eval(towns), true);
    browser.click("a[rel=last]");
    browser.wait_for(&format!("document.querySelectorAll('#list tbody tr').length === {}", (found - 1) % 25 + 1));
    browser.screenshot("sellers-light");
    browser.look(Look::Phone);
    browser.screenshot("sellers-phone");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn one_seller_and_one_product_have_charts_that_add_up() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    browser.open(&program.url(&format!("/sellers/{TOP_SELLER}")));
    assert_eq!([browser.text("#revenue"), browser.text("#items")], ["R$ 17,906.20", "36"]);
    assert_eq!(browser.count(".chart > svg[role=img]"), 4);
    assert!(marks(&mut browser) > 20);
    browser.eval("document.querySelectorAll('details').forEach(details => details.open = true)");
    for table in 0..3 {
        let sum = browser.eval(&format!(
            "[...document.querySelectorAll('details')[{table}].querySelectorAll('td')]\
             .reduce((sum, td) => sum + Math.round(100 * td.innerText.replaceAll(',', '')), 0)"
        ));
        assert_eq!(sum, 1_790_620, "table {table}");
    }
    browser.look(Look::Dark);
    browser.screenshot("seller-dark");

    browser.click("section:last-of-type table a");
    browser.wait_for("location.pathname.startsWith('/products/') && document.readyState === 'complete'");
    assert!(browser.count(".chart > svg[role=img]") >= 2);
    assert!(browser.text("main").contains("the best first"));
    browser.open(&program.url("/products"));
    assert_eq!(browser.text("#found"), "5,460 of 5,460 products");
    browser.open(&program.url("/products?q=health"));
    assert!(browser.text("#list tbody tr:first-child").contains("health beauty"));
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn reviews_are_searched_by_words_and_score() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    browser.open(&program.url("/reviews"));
    assert_eq!(browser.text("#found"), "8,225 reviews");
    assert_eq!(browser.count("article.review"), 20);
    browser.open(&program.url("/reviews?score=1"));
    assert_eq!(browser.text("#found"), "2,638 reviews");
    assert_eq!(browser.count("article.review [aria-label='Score 1 of 5']"), 20);
    browser.open(&program.url("/reviews?q=produto&score=5"));
    let with_word =
        "[...document.querySelectorAll('article')].every(a => a.innerText.toLowerCase().includes('produto'))";
    assert_eq!(browser.eval(with_word), true);
    browser.screenshot("reviews-light");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn pages_need_no_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    let program = Program::start();
    let (mut titles, pages) = (Vec::new(), ["/", "/sellers", "/products", "/reviews", "/live"]);
    for path in pages {
        browser.open(&program.url(path));
        titles.push(browser.text("h1"));
        assert_eq!(browser.count("[style], script:not([src]), main a[href^='http']"), 0, "{path}");
        assert_eq!(browser.count("h1"), 1, "{path}");
        assert_eq!(
            browser.text("nav a[aria-current]"),
            ["Overview", "Sellers", "Products", "Reviews", "Live"][titles.len() - 1]
        );
    }
    assert_eq!(titles, ["Marketplace statistics", "Sellers", "Products", "Reviews", "Live"]);
    browser.scripts(false);
    browser.open(&program.url("/live"));
    assert!(browser.text("main").contains("Without scripts this page shows a moment"));
    assert_eq!(browser.text("#live-state"), "Nobody shops.");
    browser.click("#start");
    browser.wait_for("document.querySelector('#live-state')?.innerText === 'The shoppers are in.'");
    browser.click("#stop");
    browser.wait_for("document.querySelector('#live-state')?.innerText === 'Nobody shops.'");
    assert_eq!(browser.errors(), [""; 0]);
}
