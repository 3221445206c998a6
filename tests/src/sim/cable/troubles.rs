//! What goes wrong, and comes right again, beside the cable's own weather.
use super::{World, terms};
use crate::cable::Weather;
use crate::sim::net::NEVER;

impl World {
    /// Something goes wrong.
    pub(super) fn strike(&mut self) {
        self.troubles += 1;
        let more = self.troubles < self.terms.troubles;
        let broker = self.dice.within(1, self.terms.brokers.into()) as i32;
        self.trouble_at = if more { self.now + self.dice.around(self.terms.trouble) } else { NEVER };
        let what = self.dice.below(6);
        let lasts = self.dice.around(4_000_000);
        self.timeline.note(|| {
            let names = [
                "streams are cut",
                "no frame gets through",
                "is killed",
                "is paused",
                "leads all",
                "the weather changes",
            ];
            format!("trouble {} (broker {broker}, {lasts} us)", names[what as usize])
        });
        match what {
            0 => self.brokers.cut(),
            1 => self.brokers.set_weather(Weather { loss: 100, ..self.terms.weather }),
            2 => self.brokers.cluster.kill(broker),
            3 => self.brokers.cluster.pause(broker),
            4 => {
                for name in self.terms.names() {
                    for partition in 0..self.terms.partitions {
                        self.brokers.cluster.move_leader(name, partition, broker);
                    }
                }
            }
            _ => self.brokers.set_weather(terms::weather(&mut self.dice)),
        }
        if (1..=3).contains(&what) {
            self.mend_at = self.now + lasts;
        }
    }

    /// What is down is up again.
    pub(super) fn mend(&mut self) {
        self.timeline.note(|| "mended".to_owned());
        self.mend_at = NEVER;
        self.brokers.set_weather(self.terms.weather);
        for broker in 1..=i32::from(self.terms.brokers) {
            self.brokers.cluster.restart(broker);
        }
    }
}
