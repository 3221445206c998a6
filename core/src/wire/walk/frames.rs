//! The open containers of a walk and the fields inside them.
use super::{Damage, Field, Frame, Walker};

impl Walker {
    pub(super) fn field(&self, at: u8) -> Result<&'static Field, Damage> {
        self.message.field(at).ok_or(Damage::TooDeep)
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Damage> {
        let room = self.outer.get_mut(usize::from(self.depth)).ok_or(Damage::TooDeep)?;
        *room = self.top;
        self.top = frame;
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if let Some(around) = self.outer.get(usize::from(self.depth)) {
            self.top = *around;
        }
    }
}
