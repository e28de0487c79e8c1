//! Devices that go without a word.

use crate::device::Device;
use crate::{BOTH, listen, local, next, says_nothing, settle, take, texts};
use lorry_core::relay::{Event, Source};
use lorry_mqtt::packet::{Ack, Connect, Disconnect, Packet, Reason, Version, Will};

fn with_will(id: &str) -> Connect {
    let will = Will { topic: "status/d".into(), payload: "gone".into(), retain: true, ..Will::default() };
    Connect { client_id: id.into(), clean: true, will: Some(Box::new(will)), ..Connect::default() }
}

/// For QoS 0 there is no other copy, so a lane lives until what came over it is delivered.
#[tokio::test]
async fn what_has_arrived_is_delivered_also_when_its_device_has_gone() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 0, "one").await;
        device.publish("a", 0, "two").await;
        device.disconnect().await;
        let messages = take(&mut source, 2).await;
        assert_eq!(texts(&messages), ["one", "two"]);
        let lane = messages[0].0;
        says_nothing(&mut source).await;
        settle(&mut source, lane, 0).await;
        says_nothing(&mut source).await;
        settle(&mut source, lane, 1).await;
        assert!(matches!(next(&mut source).await, Event::LaneLost(lost) if lost == lane));
    }
}

#[tokio::test]
async fn a_device_that_is_killed_comes_back_on_a_new_lane_with_what_was_not_acknowledged() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 1, "one").await;
        device.publish("a", 2, "two").await;
        let before = take(&mut source, 2).await[0].0;
        settle(&mut source, before, 0).await;
        assert_eq!(device.puback().await, Ack::new(1));
        drop(device);
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 2, "two again").await;
        let again = take(&mut source, 1).await.remove(0);
        assert_ne!(again.0, before);
        settle(&mut source, before, 1).await;
        assert!(matches!(next(&mut source).await, Event::LaneLost(lane) if lane == before));
        device.hears_nothing().await;
        settle(&mut source, again.0, 0).await;
        assert_eq!(device.puback().await, Ack::new(2));
        // Long after: nothing happens.
        settle(&mut source, before, 1).await;
        device.hears_nothing().await;
    }
}

#[tokio::test]
async fn lanes_with_nothing_in_them_come_and_go_unseen() {
    let (mut source, address) = listen(local()).await;
    Device::connect(address, Version::V4, "d").await.disconnect().await;
    drop(Device::connect(address, Version::V5, "d").await);
    says_nothing(&mut source).await;
}

#[tokio::test]
async fn the_will_of_a_lost_device_is_its_last_message() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::reach(address, version).await;
        device.login(with_will("d")).await;
        device.publish("a", 0, "one").await;
        take(&mut source, 1).await;
        drop(device);
        let will = take(&mut source, 1).await.remove(0);
        assert_eq!((will.1, will.2.address.as_str(), will.2.text()), (1, "status/d", Some("gone")));
        assert!(will.2.properties().retain);
        settle(&mut source, will.0, will.1).await;
        assert!(matches!(next(&mut source).await, Event::LaneLost(_)));
    }
}

#[tokio::test]
async fn whoever_takes_leave_has_no_will_unless_it_asks_for_it() {
    let (mut source, address) = listen(local()).await;
    let mut device = Device::reach(address, Version::V5).await;
    device.login(with_will("d")).await;
    device.disconnect().await;
    says_nothing(&mut source).await;
    let mut device = Device::reach(address, Version::V5).await;
    device.login(with_will("d")).await;
    device.send(&Packet::Disconnect(Disconnect::new(Reason::DISCONNECT_WITH_WILL))).await;
    assert_eq!(texts(&take(&mut source, 1).await), ["gone"]);
    let mut device = Device::reach(address, Version::V5).await;
    device.login(with_will("other")).await;
    source.close().await.unwrap();
    device.is_told(Reason::SERVER_SHUTTING_DOWN).await;
}

#[tokio::test]
async fn a_will_outside_the_filter_is_nobodys() {
    let (mut source, address) = listen(local().topic("a/#")).await;
    let mut device = Device::reach(address, Version::V4).await;
    device.login(with_will("d")).await;
    drop(device);
    says_nothing(&mut source).await;
}
