//! The overview, the page of one seller or product, and the reviews.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::app::App;
use super::drawing::Drawn;
use super::lists::{Wanted, pager, search};
use super::page::{Refusal, count, encoded, figures, page, tiles};
use crate::catalogue::{Catalogue, Entry};
use crate::charts::figures::Figure;
use crate::charts::studio::{Shelf, Studio};
use crate::data::model::{REVIEWS, Review};
use crate::data::source::credit;
use crate::data::value::{Id, grouped};
use crate::error::Result;
use crate::portrait::Portrait;

const BEST_SELLERS: usize = 14;
const REVIEWS_A_PAGE: usize = 20;
/// Partners of a seller or product that are listed.
const MOST_PARTNERS: usize = 50;

/// The charts of the overview. Seller names are coloured by state, so hold the palette or be the one who mixes it.
pub(super) fn overview_figures(catalogue: &Catalogue, studio: &Studio) -> Vec<Figure> {
    let numbers = &catalogue.numbers;
    let of_seller = |id: Id| catalogue.entry(Shelf::Sellers, id).map_or("", |entry| entry.group.as_str());
    let best: Vec<_> = (numbers.by_seller.iter().take(BEST_SELLERS))
        .map(|(id, sales)| (id.short(), sales.revenue, studio.tone(of_seller(*id))))
        .collect();
    let of_all =
        format!("in reais, the best {} of {}, coloured by state", best.len(), grouped(numbers.by_seller.len() as i64));
    let months: Vec<_> = numbers.by_month.iter().map(|(month, sales)| (*month, sales.revenue)).collect();
    let scores = Figure::scores(&numbers.scores);
    let mut figures = vec![
        Figure::sellers("Revenue by seller", of_all, &best),
        Figure::categories(&numbers.by_category),
        Figure::months(&months),
        Figure::states("seller", &numbers.by_state, scores.is_empty()),
        scores,
    ];
    figures.retain(|figure| !figure.is_empty());
    figures
}

/// `/`
pub(super) fn overview(app: &App) -> Result<Markup> {
    let shown = app.shown()?;
    let numbers = &shown.catalogue.numbers;
    let mean = numbers.mean_score().map_or_else(|| "none".to_owned(), |mean| format!("{mean:.4}"));
    let content = html! {
        h1 { "Marketplace statistics" }
        p {
            "Sellers, products, orders and reviews of a Brazilian marketplace, read in parallel out of a Gangline store. "
            "Data: " (app.label) "."
        }
        @if app.sample {
            p .note {
                "This sample is not a random one: it holds every order that was never delivered and about one in twenty "
                "of those that were. So its mean review score is far below that of the whole marketplace, which is about "
                "4.09."
            }
        }
        (tiles(&[
            ("count-revenue", "Revenue", format!("R$ {}", numbers.revenue.grouped())),
            ("count-freight", "Freight", format!("R$ {}", numbers.freight.grouped())),
            ("count-orders", "Orders", count(numbers.orders)),
            ("count-items", "Items", count(numbers.items)),
            ("count-reviews", "Reviews", count(numbers.reviews)),
            ("count-score", "Mean score", mean),
            ("count-sellers", "Sellers", count(numbers.sellers)),
            ("count-customers", "Customers", count(numbers.customers)),
            ("count-products", "Products", count(numbers.products)),
            ("count-payments", "Payments", count(numbers.payments)),
        ]))
        (figures(&shown.overview))
        @if let Some((id, sales)) = numbers.by_seller.first() {
            p { "Best seller: " a href={ "/sellers/" (id) } { code { (id) } } " with R$ " (sales.revenue.grouped()) "." }
        }
        p .muted { (credit(app.sample)) " As of commit " (shown.catalogue.commit) "." }
    };
    Ok(page("Overview", "/", true, &content))
}

/// What is known of one seller or product before its charts are drawn.
pub(super) struct Sketch {
    shelf: Shelf,
    id: Id,
    title: String,
    town: String,
    group: String,
    portrait: Portrait,
}

/// Reads one seller or product.
pub(super) fn sketch(app: &App, shelf: Shelf, id: &str) -> Result<Sketch, Refusal> {
    let kind = if shelf == Shelf::Sellers { "seller" } else { "product" };
    let missing = || Refusal::NotFound(format!("There is no {kind} of this id."));
    let id = Id::parse(id).ok_or_else(missing)?;
    let shown = app.shown()?;
    let Entry { town, group, .. } = shown.catalogue.entry(shelf, id).ok_or_else(missing)?;
    let portrait = Portrait::read(&app.db.snapshot(), shelf, id)?;
    let title = format!("{} {}", if shelf == Shelf::Sellers { "Seller" } else { "Product" }, id.short());
    Ok(Sketch { shelf, id, title, town: town.clone(), group: group.clone(), portrait })
}

impl Sketch {
    pub(super) fn figures(&self) -> Vec<Figure> {
        self.portrait.figures(self.shelf)
    }

    /// `/sellers/ID` or `/products/ID`
    pub(super) fn page(&self, drawn: &[Drawn]) -> Markup {
        let Portrait { sales, freight, orders, partners, .. } = &self.portrait;
        let (place, partner_place, partner) = match self.shelf {
            Shelf::Sellers => ("/sellers", "/products", "Products"),
            Shelf::Products => ("/products", "/sellers", "Sellers"),
        };
        let mean = self.portrait.mean_score().map_or_else(|| "none".to_owned(), |mean| format!("{mean:.2}"));
        let content = html! {
            h1 { (self.title) }
            p { code { (self.id) } " · " @if !self.town.is_empty() { (self.town) ", " } (self.group) }
            (tiles(&[
                ("revenue", "Revenue", format!("R$ {}", sales.revenue.grouped())),
                ("freight", "Freight", format!("R$ {}", freight.grouped())),
                ("orders", "Orders", count(*orders)),
                ("items", "Items", count(sales.items)),
                ("score", "Mean score", mean),
            ]))
            (figures(drawn))
            @if !partners.is_empty() {
                section {
                    h2 { (partner) " " small { (count(partners.len() as u64)) ", the best first" } }
                    div .scroll tabindex="0" role="region" aria-label=(partner) {
                        table {
                            thead { tr {
                                th scope="col" .text { (partner.trim_end_matches('s')) }
                                th scope="col" { "Items" }
                                th scope="col" { "Revenue, R$" }
                            } }
                            tbody {
                                @for (id, sales) in partners.iter().take(MOST_PARTNERS) {
                                    tr {
                                        th scope="row" .text { a href={ (partner_place) "/" (id) } { code { (id.short()) } } }
                                        td { (count(sales.items)) }
                                        td { (sales.revenue.grouped()) }
                                    }
                                }
                            }
                        }
                    }
                }
            } @else { p { "Nothing was sold." } }
        };
        page(&self.title, place, false, &content)
    }
}

/// `/reviews`
pub(super) fn reviews(app: &App, wanted: &Wanted) -> Result<Markup> {
    let text = wanted.text();
    let score = wanted.score.as_deref().and_then(|score| score.parse().ok()).filter(|score| (1..=5).contains(score));
    let fits = |review: &Review| {
        let said = [&review.title, &review.message];
        score.is_none_or(|score: u8| review.score == score)
            && (text.is_empty() || said.into_iter().flatten().any(|said| said.to_lowercase().contains(&text)))
    };
    let snapshot = app.db.snapshot();
    let found = usize::try_from(snapshot.query(REVIEWS).select(fits).count()?).unwrap_or(usize::MAX);
    let pages = found.div_ceil(REVIEWS_A_PAGE);
    let at = wanted.page_of(pages);
    // The newest first: the best so many by time, of which the last are those of this page.
    let newest = snapshot
        .query(REVIEWS)
        .select(fits)
        .top_k(at * REVIEWS_A_PAGE, |review| (review.answered, Reverse(review.id)))?;
    let chosen = score.map_or_else(String::new, |score| score.to_string());
    let content = html! {
        h1 { "Reviews" }
        (search("/reviews", "Words of a review", &text, &html! {
            label for="score" { "Score" }
            select #score name="score" {
                option value="" { "any" }
                @for number in 1..=5 { option value=(number) selected[score == Some(number)] { (number) } }
            }
        }))
        p #found role="status" { (grouped(i64::try_from(found).unwrap_or(i64::MAX))) " reviews" }
        @for review in newest.iter().skip((at - 1) * REVIEWS_A_PAGE) {
            article .review {
                h2 {
                    span .score role="img" aria-label={ "Score " (review.score) " of 5" } {
                        (stars(review.score))
                    }
                    @if let Some(title) = &review.title { " " (title) }
                }
                @if let Some(message) = &review.message { p .message { (message) } } @else { p .muted { "Without words." } }
                p .muted { "Answered " (review.answered) " · order " code { (review.order.short()) } }
            }
        }
        (pager("/reviews", at, pages, |page| format!("?q={}&score={chosen}&page={page}", encoded(&text))))
    };
    Ok(page("Reviews", "/reviews", false, &content))
}

fn stars(score: u8) -> String {
    (1..=5).map(|star| if star <= score { '★' } else { '☆' }).collect()
}
