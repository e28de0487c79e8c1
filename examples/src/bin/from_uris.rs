//! The same job from addresses: the table is made from the messages.
//!
//! ```sh
//! cargo run -p lorry-examples --bin from_uris -- "mqtt://localhost/readings" "sqlite:///readings.db?table=readings"
//! ```

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(source), Some(sink)) = (args.next(), args.next()) else {
        return Err("usage: from_uris SOURCE SINK".into());
    };
    let running = lorry::registry_with_defaults().relay(&source, &sink)?.spawn();

    tokio::signal::ctrl_c().await?;
    let report = running.stop().await?;
    println!("{} readings stored", report.delivered);
    Ok(())
}
