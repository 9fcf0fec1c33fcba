//! The page of a report: one file that asks for nothing else.
//!
//! Charts stand in it as SVG and the style sheet as text, so it can be mailed or opened from a disk. Only the links to
//! the charts of single sellers leave it. A chart or table without anything in it is left out with its heading.

use std::fmt::Write;

use super::speed::Speed;
use crate::charts::card::{self, Card};
use crate::charts::figures::Figure;
use crate::charts::palette::dark_style;
use crate::data::source::credit;
use crate::data::value::{Cents, Id, grouped};
use crate::error::Result;
use crate::numbers::Numbers;
use crate::sales::Sales;
use crate::xml::escape;

/// Everything that stands on the page.
pub(crate) struct Page<'a> {
    pub(crate) label: &'a str,
    pub(crate) sample: bool,
    pub(crate) numbers: &'a Numbers,
    pub(crate) speed: &'a Speed,
    pub(crate) best: &'a [(Id, Card)],
    pub(crate) charts: u64,
}

impl Page<'_> {
    /// The page as HTML.
    pub(crate) fn html(&self) -> Result<String> {
        let sheets = concat!(include_str!("../base.css"), include_str!("page.css"));
        let style = format!("{sheets}{}{}", dark_style(), self.card_style());
        Ok(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Marketplace statistics</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
             {}{}<main class=\"grid\">\n{}{}{}</main>\n{}</body>\n</html>\n",
            self.header(),
            self.tiles(),
            self.charts()?,
            self.cards(),
            self.tables(),
            self.footer(),
        ))
    }

    fn header(&self) -> String {
        let mut html = format!(
            "<header>\n<h1>Marketplace statistics</h1>\n\
             <p>Sellers, products, orders and reviews of a Brazilian marketplace, read in parallel out of a Gangline \
             store. Data: {}.</p>\n",
            escape(self.label)
        );
        if self.sample {
            html.push_str(
                "<p class=\"note\">This sample is not a random one: it holds every order that was never delivered \
                 and about one in twenty of those that were. So its mean review score is far below that of the whole \
                 marketplace, which is about 4.09.</p>\n",
            );
        }
        html + "</header>\n"
    }

    fn tiles(&self) -> String {
        let numbers = self.numbers;
        let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
        let mut html = String::from("<dl class=\"tiles\">\n");
        let mut tile = |name: &str, value: &str| {
            _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
        };
        tile("Revenue", &format!("R$ {}", numbers.revenue.grouped()));
        tile("Freight", &format!("R$ {}", numbers.freight.grouped()));
        let counts = [
            ("Sellers", numbers.sellers),
            ("Customers", numbers.customers),
            ("Products", numbers.products),
            ("Orders", numbers.orders),
            ("Items", numbers.items),
            ("Payments", numbers.payments),
            ("Reviews", numbers.reviews),
        ];
        for (name, number) in counts.into_iter().filter(|(_, number)| *number > 0) {
            tile(name, &count(number));
        }
        if let Some(mean) = numbers.mean_score() {
            tile("Mean score", &format!("{mean:.4}"));
        }
        html + "</dl>\n"
    }

    fn charts(&self) -> Result<String> {
        let numbers = self.numbers;
        let sellers: Vec<_> = numbers
            .by_seller
            .iter()
            .take(self.best.len())
            .zip(self.best)
            .map(|((id, sales), (_, card))| (id.short(), sales.revenue, card.tone))
            .collect();
        let of_all = format!("the best {} of {}", self.best.len(), grouped(numbers.by_seller.len() as i64));
        let months: Vec<_> = numbers.by_month.iter().map(|(month, sales)| (*month, sales.revenue)).collect();
        let scores = Figure::scores(&numbers.scores);
        let mut html = String::new();
        for figure in [
            Figure::sellers("Revenue by seller", of_all, &sellers),
            Figure::categories(&numbers.by_category),
            Figure::months(&months),
            Figure::states("seller", &numbers.by_state, scores.is_empty()),
            scores,
        ] {
            if !figure.is_empty() {
                let class = if figure.wide { " all" } else { "" };
                _ = writeln!(
                    html,
                    "<section class=\"chart{class}\"><h2>{} <small>{}</small></h2>\n{}</section>",
                    figure.heading,
                    figure.remark,
                    figure.draw()?,
                );
            }
        }
        Ok(html)
    }

    /// Colours of the cards: those that are inside the page share one style sheet.
    fn card_style(&self) -> String {
        card::style(".cards") + "\n"
    }

    fn cards(&self) -> String {
        if self.best.is_empty() {
            return String::new();
        }
        let mut html = format!(
            "<section class=\"all\"><h2>The {} best sellers <small>revenue by month, coloured by state</small></h2>\n\
             <div class=\"cards chart\">\n",
            self.best.len()
        );
        for (id, card) in self.best {
            _ = write!(html, "<a href=\"sellers/{id}.svg\">{}</a>", card::inline(card));
        }
        html + "</div></section>\n"
    }

    fn tables(&self) -> String {
        let numbers = self.numbers;
        let best = numbers.by_seller.iter().zip(self.best).map(|((id, sales), (_, card))| {
            let place = card.title.split_once(" · ").map_or("", |(_, place)| place);
            (format!("<a href=\"sellers/{id}.svg\"><code>{}</code></a> {}", id.short(), escape(place)), sales)
        });
        let named = |rows: &'_ [(String, Sales)]| -> Vec<(String, Sales)> {
            rows.iter().map(|(name, sales)| (escape(name), sales.clone())).collect()
        };
        let months = numbers.by_month.iter().map(|(month, sales)| (month.to_string(), sales));
        [
            table("Best sellers", "Seller", numbers.revenue, best),
            table("Categories", "Category", numbers.revenue, named(&numbers.by_category).iter().map(by_ref)),
            table("Months", "Month of the shipping limit", numbers.revenue, months),
            table("States", "State of the seller", numbers.revenue, named(&numbers.by_state).iter().map(by_ref)),
        ]
        .concat()
    }

    fn footer(&self) -> String {
        format!(
            "<footer>\n<p>{} Charts drawn: {}, one for each seller and product with an item; they are in \
             <code>sellers/</code> and <code>products/</code>.</p>\n\
             <p>{} Ids are anonymous. Money is in Brazilian reais (R$), without freight unless it says so. Times \
             are local.</p>\n</footer>\n",
            escape(&self.speed.sentence()),
            grouped(self.charts as i64),
            credit(self.sample),
        )
    }
}

fn by_ref((name, sales): &(String, Sales)) -> (String, &Sales) {
    (name.clone(), sales)
}

/// A table of sales, or nothing if it has no rows. Names are HTML already.
fn table<'s>(heading: &str, column: &str, total: Cents, rows: impl Iterator<Item = (String, &'s Sales)>) -> String {
    let mut body = String::new();
    for (name, sales) in rows {
        let share = 100.0 * sales.revenue.get() as f64 / total.get().max(1) as f64;
        _ = writeln!(
            body,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{share:.1} %</td></tr>",
            grouped(i64::try_from(sales.items).unwrap_or(i64::MAX)),
            sales.revenue.grouped(),
        );
    }
    if body.is_empty() {
        return body;
    }
    format!(
        "<section><h2>{heading}</h2>\n<div class=\"scroll\" tabindex=\"0\"><table>\n\
         <thead><tr><th>{column}</th><th>Items</th><th>Revenue, R$</th><th>Share</th></tr></thead>\n\
         <tbody>\n{body}</tbody></table></div></section>\n"
    )
}

#[cfg(test)]
mod tests {
    use gangline::Db;

    use super::*;
    use crate::charts::palette::Palette;
    use crate::charts::studio::Studio;
    use crate::data::model::{ORDER_ITEMS, OrderItem, Role, USERS, User};
    use crate::data::value::LocalTime;
    use crate::service::StatisticsService;

    fn id(first: char) -> Id {
        Id::parse(&format!("{first}{}", "0".repeat(31))).unwrap()
    }

    fn page(db: &Db, sample: bool) -> String {
        let numbers = Numbers::compute(db).unwrap();
        let speed = Speed { table: "order_items", rows: 1, rows_per_s_1: 2, rows_per_s_all: 3 };
        let studio = Studio::default();
        studio.mix(Palette::default());
        let best = StatisticsService::new(db.clone(), db.clone()).seller_cards(&studio, &numbers.by_seller).unwrap();
        let page = Page { label: "<shop>", sample, numbers: &numbers, speed: &speed, best: &best, charts: 1 };
        page.html().unwrap()
    }

    fn shop_of(times: &[&str]) -> Db {
        let db = Db::in_memory().unwrap();
        let seller = User {
            id: id('a'),
            roles: vec![Role::Seller],
            person: None,
            zip_code: "1".to_owned(),
            city: "<b>são paulo".to_owned(),
            state: "SP".to_owned(),
        };
        db.put(USERS, id('a'), seller).unwrap();
        for (number, time) in (1..).zip(times) {
            let item = OrderItem {
                order: id('c'),
                number,
                product: id('d'),
                seller: id('a'),
                shipping_limit: LocalTime::parse(time).unwrap(),
                price: Cents::new(1_050),
                freight: Cents::new(99),
            };
            db.put(ORDER_ITEMS, (id('c'), number), item).unwrap();
        }
        db
    }

    #[test]
    fn a_page_asks_for_nothing_else() {
        let html = page(&shop_of(&["2017-01-31 10:00:00", "2017-04-01 10:00:00"]), true);
        for request in ["src=", "<link", "<script", "@import", "url(", "<img", "<iframe", "srcset"] {
            assert!(!html.contains(request), "{request}");
        }
        // Addresses are names of namespaces only.
        assert_eq!(html.matches("http").count(), html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
        assert!(html.contains("href=\"sellers/a0"));
        assert!(html.contains("not a random one"));
        assert!(html.contains("&lt;shop&gt;") && html.contains("&lt;b&gt;são paulo") && !html.contains("<b>"));
        assert!(html.contains("prefers-color-scheme: dark"));
        assert!(html.contains("2017-02") && html.contains("2017-03"), "months without sales have their place");
        assert!(html.contains("<td>21.00</td>"), "the revenue of the state");
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let html = page(&shop_of(&["2017-01-31 10:00:00"]), false);
        assert!(html.contains("Revenue by seller") && html.contains("<h2>States"));
        assert!(!html.contains("Review scores") && !html.contains("Mean score") && !html.contains("not a random one"));
        let html = page(&Db::in_memory().unwrap(), false);
        assert!(!html.contains("<section") && !html.contains("<svg"), "{html}");
    }

    #[test]
    fn a_time_far_away_does_not_fill_the_page() {
        let html = page(&shop_of(&["2017-01-31 10:00:00", "9999-12-01 10:00:00"]), false);
        assert!(html.contains("9999-12") && !html.contains("2017-02") && html.len() < 100_000);
    }
}
