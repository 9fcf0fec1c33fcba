//! Aggregates over the flights that left New York in 2013, the data set `nycflights13`.

use std::cmp::Reverse;
use std::io::Read;
use std::path::Path;

use gangline::{Access, Db, Table};
use serde::{Deserialize, Serialize};

use super::{Lines, shown};
use crate::data::csv::{Cell, for_each_row};
use crate::error::{Error, Result};

/// The flights, by their line in the file.
pub const FLIGHTS: Table<u32, Flight> = Table::new("flights");

/// Flights of one transaction of the load.
const BATCH: usize = 10_000;

/// A row of [`FLIGHTS`]. Times are minutes; those of a flight that did not take place are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// 1 to 12.
    pub month: u32,
    /// Day of the month.
    pub day: u32,
    /// Minutes too late, or too early.
    pub departure_delay: Option<i32>,
    /// Minutes too late, or too early.
    pub arrival_delay: Option<i32>,
    /// Two letters or digits.
    pub carrier: String,
    /// Number of the flight.
    pub number: u32,
    /// Airport.
    pub origin: String,
    /// Airport.
    pub destination: String,
    /// Minutes in the air.
    pub air_time: Option<i32>,
    /// Miles.
    pub distance: u32,
}

/// Minutes, or `NA` for what did not take place.
struct Minutes(Option<i32>);

impl Cell for Minutes {
    const EXPECTED: &'static str = "minutes, or NA";

    fn parse(text: &str) -> Option<Self> {
        if text == "NA" { Some(Minutes(None)) } else { text.parse().ok().map(|minutes| Minutes(Some(minutes))) }
    }
}

/// Loads the file `flights.csv`, plain or packed as `.zst`.
///
/// # Errors
///
/// If the file cannot be read or has a broken row, and those of the store.
pub fn load(db: &Db, file: &Path) -> Result<()> {
    let mut bytes = std::fs::read(file).map_err(Error::file("read", file))?;
    if file.extension().is_some_and(|extension| extension == "zst") {
        let mut text = Vec::new();
        let unpacked = ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .map_err(|error| std::io::Error::other(error.to_string()))
            .and_then(|mut decoder| decoder.read_to_end(&mut text));
        unpacked.map_err(Error::file("unpack", file))?;
        bytes = text;
    }
    let columns =
        ["month", "day", "dep_delay", "arr_delay", "carrier", "flight", "origin", "dest", "air_time", "distance"];
    let mut flights = Vec::new();
    for_each_row((&file.display().to_string(), &bytes), &columns, |row| {
        flights.push(Flight {
            month: row.cell("month")?,
            day: row.cell("day")?,
            departure_delay: row.cell::<Minutes>("dep_delay")?.0,
            arrival_delay: row.cell::<Minutes>("arr_delay")?.0,
            carrier: row.cell("carrier")?,
            number: row.cell("flight")?,
            origin: row.cell("origin")?,
            destination: row.cell("dest")?,
            air_time: row.cell::<Minutes>("air_time")?.0,
            distance: row.cell("distance")?,
        });
        Ok(())
    })?;
    for (batch, flights) in (0u32..).zip(flights.chunks(BATCH)) {
        let first = batch * BATCH as u32;
        db.transact(|tx| (first..).zip(flights).try_for_each(|(line, flight)| tx.put(FLIGHTS, line, flight)))?;
    }
    Ok(())
}

/// All lines.
///
/// # Errors
///
/// Those of the store.
pub fn lines(da: &impl Access) -> gangline::Result<Vec<String>> {
    let flights = || da.query(FLIGHTS);
    let mut lines = Lines::default();
    lines.add("flights", flights().count()?);
    lines.add_groups("month.count", flights().group_by(|flight| flight.month).count()?);
    lines.add_groups("carrier.count", flights().group_by(|flight| flight.carrier.clone()).count()?);
    let arrived = || flights().select(|flight| flight.arrival_delay.is_some());
    let delays =
        arrived().group_by(|flight| flight.carrier.clone()).mean(|flight| flight.arrival_delay.unwrap_or(0))?;
    lines.add_groups("carrier.arrival_delay", delays.into_iter().map(|(carrier, mean)| (carrier, shown(Some(mean)))));
    lines.add_groups("origin.miles", flights().group_by(|flight| flight.origin.clone()).sum(|flight| flight.distance)?);
    let by_route = flights().group_by(|flight| (flight.origin.clone(), flight.destination.clone())).count()?;
    lines.add_digest("route", by_route.into_iter().map(|(route, count)| (route, i128::from(count))));
    let departed = || flights().select(|flight| flight.departure_delay.is_some());
    let delay = || departed().project(|flight| flight.departure_delay.unwrap_or(0));
    lines.add("departure_delay.sum", delay().sum()?);
    lines.add_mean("departure_delay.mean", delay().mean()?);
    lines.add("departure_delay.min", delay().min()?.unwrap_or(0));
    lines.add("departure_delay.max", delay().max()?.unwrap_or(0));
    let air_time = flights().select(|flight| flight.air_time.is_some());
    lines.add_mean("air_time.mean", air_time.project(|flight| f64::from(flight.air_time.unwrap_or(0))).mean()?);
    let late =
        flights().select(|flight| flight.departure_delay > Some(60)).or(|flight| flight.arrival_delay > Some(120));
    lines.add("late_in_summer", late.select(|flight| (6..=8).contains(&flight.month)).count()?);
    lines.add("cancelled", flights().select(|flight| flight.departure_delay.is_none()).count()?);
    for flight in departed().top_k(5, |flight| (flight.departure_delay, Reverse((flight.month, flight.day))))? {
        let delay = flight.departure_delay.unwrap_or(0);
        lines.add("latest", format_args!("{} {} {delay}", flight.carrier, flight.number));
    }
    for (line, flight) in flights().range(300_000..).reverse().offset(1_000).limit(3).entries()? {
        lines.add("from_the_end", format_args!("{line} {} {}", flight.carrier, flight.number));
    }
    let first = flights().find(|flight| flight.arrival_delay > Some(900))?;
    lines.add("first_very_late", first.map_or_else(|| "none".to_owned(), |(line, _)| line.to_string()));
    lines.add("all_go_somewhere", flights().all(|flight| flight.distance > 0 && flight.origin != flight.destination)?);
    Ok(lines.into_lines())
}
