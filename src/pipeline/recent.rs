//! What was made for the sizes used last.

use std::cell::RefCell;
use std::rc::Rc;

use super::networks::Size;

/// How many sizes stay planned. Plans share one arena, so each costs little beside its bind groups.
const MAX_PLANNED_SIZES: usize = 4;

/// Plans by size, the most recently used last.
pub(super) struct Recent<P>(RefCell<Vec<(Size, Rc<P>)>>);

impl<P> Default for Recent<P> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<P> Recent<P> {
    pub fn get(&self, size: Size) -> Option<Rc<P>> {
        let mut kept = self.0.borrow_mut();
        let position = kept.iter().position(|(of, _)| *of == size)?;
        let used = kept.remove(position);
        let plans = used.1.clone();
        kept.push(used);
        Some(plans)
    }

    pub fn add(&self, size: Size, plans: P) -> Rc<P> {
        let plans = Rc::new(plans);
        let mut kept = self.0.borrow_mut();
        if kept.len() == MAX_PLANNED_SIZES {
            kept.remove(0);
        }
        kept.push((size, plans.clone()));
        plans
    }

    pub fn for_each(&self, visit: impl Fn(&P)) {
        self.0.borrow().iter().for_each(|(_, plans)| visit(plans));
    }

    pub fn remove(&self, size: Size) {
        self.0.borrow_mut().retain(|(of, _)| *of != size);
    }
}
