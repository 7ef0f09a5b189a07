//! How the disk of the data folder stands, as `/metrics` shows it.

use std::fmt;

use files::Room;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, room: &Room) -> Result<(), fmt::Error> {
    for (name, help, value) in [
        ("storage_available_bytes", "Bytes free on the disk of the data folder", room.available_bytes),
        ("storage_reserve_bytes", "Bytes of these that uploads leave", room.reserve_bytes),
        (
            "storage_reserve_reached",
            "1 while uploads are refused because less is free",
            u64::from(room.is_reserve_reached()),
        ),
    ] {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Figures, Metrics};

    use super::*;

    #[test]
    fn a_disk_is_shown_with_its_reserve_and_whether_that_is_reached() {
        let metrics = Metrics::new();
        let room = Room { available_bytes: 99, reserve_bytes: 100 };
        metrics.watch(move || Figures { storage: Some(room), ..Figures::default() });
        let text = metrics.text();
        for line in [
            "switchboard_storage_available_bytes 99",
            "switchboard_storage_reserve_bytes 100",
            "switchboard_storage_reserve_reached 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
