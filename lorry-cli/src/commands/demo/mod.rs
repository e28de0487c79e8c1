//! `lorry demo`: simulated devices publish over real MQTT to Lorry's own listener, which relays to a SQLite file.
//!
//! Nothing in it is special: the devices are relays into an `mqtt://` sink, and the listener is the relay that
//! `lorry relay "mqtt+listen://127.0.0.1:PORT/#" "sqlite:///…?table=readings"` would run.

mod device;
mod rows;
mod screen;

use crate::args::DemoArgs;
use crate::drive;
use crate::exit::{Failure, LEFT, Outcome};
use crate::output;
use crate::registry::registry;
use crate::status::{Rate, thousands};
use device::Device;
use lorry::registry::Registry;
use lorry::relay::State;
use lorry::{Relay, Running, Stream};
use rows::Rows;
use screen::Screen;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

/// The devices, and what each measures.
const DEVICES: [(&str, f64); 5] =
    [("boiler", 62.0), ("freezer", -18.5), ("greenhouse", 24.0), ("office", 21.5), ("server-room", 19.0)];
/// Messages per second of each.
const RATE: u32 = 200;
/// How long the listener may take to open its port.
const OPENING: Duration = Duration::from_secs(10);

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Outcome {
    let registry = registry();
    let rows = Rows::create()?;
    let port = free_port().map_err(|error| Failure::Failed(format!("find a free port on 127.0.0.1: {error}")))?;
    let listener = format!("mqtt+listen://127.0.0.1:{port}/#");
    let table = format!("sqlite:///{}?table={}", rows.path().display(), rows::TABLE);
    let listening = Relay::new([Stream::from_source(registry.source(&listener)?).to(registry.sink(&table)?)]);
    let devices =
        DEVICES.iter().map(|(name, mean)| device(&registry, port, name, *mean)).collect::<Result<Vec<_>, _>>()?;
    output::stdout(&format!(
        "{} simulated devices publish over MQTT, QoS 1, to port {port} of this machine. Lorry listens there and relays to SQLite:\n\n  \
         lorry relay \"{listener}\" \"{table}\"\n\n",
        DEVICES.len()
    ))?;
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (published, delivered) = drive::on_runtime(play(listening, devices, &rows, end))?;
    summarize(published, delivered, &rows)
}

fn device(registry: &Registry, port: u16, name: &'static str, mean: f64) -> Result<Relay, Failure> {
    let sink = format!("mqtt://127.0.0.1:{port}/demo/{name}?client-id={name}");
    Ok(Relay::new([Stream::from_source(Device::new(name, mean, RATE)).to(registry.sink(&sink)?)]))
}

/// Runs the relays until the end, and says how many messages the devices have confirmed and how many the relay has delivered.
async fn play(listening: Relay, devices: Vec<Relay>, rows: &Rows, end: Option<Instant>) -> Result<(u64, u64), Failure> {
    let mut signals = drive::signals()?;
    let relay = listening.spawn();
    open(&relay).await?;
    let devices: Vec<_> = devices.into_iter().map(Relay::spawn).collect();
    tokio::select! {
        shown = show(&relay, rows, end) => shown?,
        () = signals.next() => {}
    }
    tokio::select! {
        counts = finish(relay, devices) => counts,
        () = signals.again() => std::process::exit(LEFT),
    }
}

/// Waits until the listener's port is open, so that no device has to try twice.
async fn open(relay: &Running) -> Outcome {
    let (monitor, end) = (relay.monitor(), Instant::now() + OPENING);
    while Instant::now() < end {
        let elements = monitor.snapshot().elements;
        if elements.iter().all(|(_, state)| matches!(state, State::Up)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let states = monitor.snapshot().elements.into_iter().map(|(name, state)| format!("{name} {state}"));
    Err(Failure::Failed(format!("the demo did not start: {}", states.collect::<Vec<_>>().join(", "))))
}

/// Shows rate and last rows every second.
async fn show(relay: &Running, rows: &Rows, end: Option<Instant>) -> Outcome {
    let (monitor, start) = (relay.monitor(), Instant::now());
    let (mut rate, mut screen) = (Rate::new(start), Screen::new());
    let mut ticks = tokio::time::interval_at((start + Duration::from_secs(1)).into(), Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = until(end) => return Ok(()),
        }
        let delivered = monitor.snapshot().counts.delivered;
        let per_second = rate.update(Instant::now(), delivered).round() as u64;
        let line = format!(
            "{:>4} s  {:>8} rows  {:>6}/s",
            start.elapsed().as_secs(),
            thousands(delivered),
            thousands(per_second)
        );
        screen.show(&line, &rows.last()?)?;
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

/// The devices first: what they have sent is confirmed once it is in the file. Then the relay has nothing left to do.
async fn finish(relay: Running, devices: Vec<Running>) -> Result<(u64, u64), Failure> {
    devices.iter().for_each(|device| device.stopper().stop());
    let mut published = 0;
    for device in devices {
        let report = device.wait().await;
        published += report.delivered;
        crate::report::judge(&report)?;
    }
    relay.stopper().stop();
    let report = relay.wait().await;
    crate::report::judge(&report)?;
    Ok((published, report.delivered))
}

fn summarize(published: u64, delivered: u64, rows: &Rows) -> Outcome {
    let count = rows.count()?;
    let mut text = String::from("\n");
    text.push_str(&screen::table(&rows.last()?));
    text.push_str(&format!(
        "\npublished and confirmed {}\nrelayed                 {}\nrows in the table       {}{}\n\nThe rows stay in {}\n",
        thousands(published),
        thousands(delivered),
        thousands(count),
        if count == published { "  (equal)" } else { "" },
        rows.path().display()
    ));
    output::stdout(&text)?;
    if count == published {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{published} messages were confirmed, but the table has {count} rows")))
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
