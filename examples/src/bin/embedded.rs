//! A service that embeds a relay: typed readings from MQTT into the service's own Diesel table.
//!
//! ```sh
//! cargo run -p lorry-examples --bin embedded -- "mqtt://localhost/readings" readings.db
//! ```
#![allow(missing_docs, reason = "Diesel's table! makes public items")]

use diesel::RunQueryDsl;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use lorry::relay::Batch;
use lorry::{Relay, Stream, registry::Registry};
use lorry_sql::DieselSink;

type Connection = SyncConnectionWrapper<diesel::SqliteConnection>;

diesel::table! { readings (id) { id -> BigInt, celsius -> Double, } }

#[derive(serde::Deserialize, diesel::Insertable)]
#[diesel(table_name = readings)]
struct Reading {
    id: i64,
    celsius: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(source), Some(database)) = (args.next(), args.next()) else {
        return Err("usage: embedded SOURCE DATABASE".into());
    };
    let table = "CREATE TABLE IF NOT EXISTS readings (id BIGINT PRIMARY KEY, celsius DOUBLE NOT NULL)";
    Connection::establish(&database).await?.batch_execute(table).await?;

    let mut registry = Registry::new();
    lorry::mqtt::register(&mut registry);
    let readings = Stream::from_source(registry.source(&source)?).decode_json::<Reading>();
    let sink = DieselSink::new(
        move || {
            let database = database.clone();
            async move { Connection::establish(&database).await }
        },
        async |conn: &mut Connection, rows: Batch<Reading>| {
            let insert = move |conn: &mut diesel::SqliteConnection| {
                diesel::insert_into(readings::table).values(rows.iter().collect::<Vec<_>>()).execute(conn)
            };
            conn.spawn_blocking(insert).await
        },
    );
    let running = Relay::new([readings.filter(|reading| reading.celsius.is_finite()).to(sink)]).spawn();

    tokio::signal::ctrl_c().await?; // here the service does what it is for
    let report = running.stop().await?; // reads nothing new, commits, acknowledges, disconnects
    println!("{} readings stored", report.delivered);
    Ok(())
}
