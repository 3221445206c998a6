//! In the place of the wire to a real broker: there is none, nor is anything of it ever called.
use crate::normal::Names;
use crate::talk::Answer;
use kurier_broker::{Denial, Quota};

/// Never there.
pub struct Real {
    pub names: Names,
}

pub fn shared() -> Option<Real> {
    None
}

pub fn own(_: u32, _: &[(&str, &str)]) -> Option<Real> {
    None
}

impl Real {
    pub fn create(&self, _: &str, _: u32, _: &[(&str, &str)]) -> (String, [u8; 16]) {
        unreachable!()
    }

    pub fn place(&self, _: &str, _: &[&[i32]], _: &[(&str, &str)]) -> (String, [u8; 16]) {
        unreachable!()
    }

    pub fn send(&mut self, _: &[u8], _: &[(i16, i16)], _: u64) -> Vec<Answer> {
        unreachable!()
    }

    pub fn create_named(&self, _: &str, _: u32, _: &[(&str, &str)]) -> [u8; 16] {
        unreachable!()
    }

    pub fn to(&mut self, _: u32) {}

    pub fn reconnect(&mut self) {}

    pub fn quota(&mut self, _: &str, _: &Quota) {}

    pub fn access(&mut self, _: &Denial, _: bool) {}

    pub fn trim(&mut self, _: &str, _: u32, _: u64) {}

    pub fn delete(&mut self, _: &str) {}

    pub fn lead(&mut self, _: &str, _: u32, _: u32) {}

    pub fn restart(&mut self, _: bool) {}

    pub fn pause(&mut self, _: u32, _: bool) {}

    pub fn await_in_sync(&mut self, _: &str, _: &[i32]) {}

    pub fn await_coordinator(&mut self) {}

    pub fn lose(&mut self, _: u32, _: &[&str]) {}
}
