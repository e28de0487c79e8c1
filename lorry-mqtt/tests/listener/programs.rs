//! Other people's clients.

use crate::{listen, local, settle, take};
use std::process::{Command, Output};

/// Away from the runtime's threads.
async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output());
    tokio::time::timeout(std::time::Duration::from_secs(20), running)
        .await
        .expect("the program hangs")
        .unwrap()
        .unwrap()
}

fn program(name: &str, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(args);
    command
}

#[tokio::test]
#[ignore = "needs mosquitto-clients"]
async fn mosquitto_pub_publishes_and_is_acknowledged() {
    let (mut source, address) = listen(local().topic("plant/#").login("joe", "s3cret")).await;
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1"] {
            let login = ["-V", version, "-q", qos, "-u", "joe", "-P", "s3cret"];
            let what = ["-t", "plant/1", "-m", "21.5", "--repeat", "500", "--repeat-delay", "0"];
            let output = tokio::spawn(run(program("mosquitto_pub", address.port(), &[&login[..], &what].concat())));
            for _ in 0..500 {
                let (lane, position, message) = take(&mut source, 1).await.remove(0);
                assert_eq!((message.address.as_str(), message.text()), ("plant/1", Some("21.5")));
                settle(&mut source, lane, position).await;
            }
            let output = output.await.unwrap();
            assert!(output.status.success(), "{version} QoS {qos}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test]
#[ignore = "needs mosquitto-clients"]
async fn mosquitto_pub_with_a_wrong_password_is_told_so() {
    let (_source, address) = listen(local().login("joe", "s3cret")).await;
    for version in ["mqttv311", "mqttv5"] {
        let args = ["-V", version, "-u", "joe", "-P", "wrong", "-t", "a", "-m", "x"];
        let output = run(program("mosquitto_pub", address.port(), &args)).await;
        let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success() && said.contains("bad user name or password"), "{version}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs mosquitto-clients"]
async fn mosquitto_sub_is_refused_and_does_not_hang() {
    let (_source, address) = listen(local()).await;
    for version in ["mqttv311", "mqttv5"] {
        let output =
            run(program("mosquitto_sub", address.port(), &["-V", version, "-t", "#", "-C", "1", "-W", "5"])).await;
        let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(said.contains("denied") || said.contains("rejected"), "{version}: {said}");
    }
}
