//! Whether a worker's instance is in discovery, as far as the worker knows.

/// Where the instance stands between registering and unregistering.
///
/// | | in discovery | `unregister` needed | `register` needed |
/// |---|---|---|---|
/// | `Registered` | yes | yes | no |
/// | `Leaving` | probably: unregistering failed | yes | yes |
/// | `Unregistered` | no | no | yes |
/// | `Returning` | probably not: registering failed | yes | yes |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is not in discovery.
    #[default]
    Unregistered,
    /// It is in discovery.
    Registered,
    /// Unregistering failed: it may still be there, and the engine still serves.
    Leaving,
    /// Registering failed: it may be there all the same.
    Returning,
}

impl Presence {
    /// After an attempt to unregister that succeeded or not.
    pub fn after_unregister(succeeded: bool) -> Self {
        if succeeded {
            Self::Unregistered
        } else {
            Self::Leaving
        }
    }

    /// After an attempt to register that succeeded or not.
    pub fn after_register(succeeded: bool) -> Self {
        if succeeded {
            Self::Registered
        } else {
            Self::Returning
        }
    }

    /// False only where the instance is known to be out of discovery.
    pub fn needs_unregister(self) -> bool {
        self != Self::Unregistered
    }

    /// False only where the instance is known to be in discovery.
    pub fn needs_register(self) -> bool {
        self != Self::Registered
    }

    /// True while requests are to come: nothing took the worker out of service.
    pub fn is_in_service(self) -> bool {
        match self {
            Self::Registered | Self::Leaving => true,
            Self::Unregistered | Self::Returning => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_7_a_repeated_call_does_what_the_first_did_not() {
        let rows = [
            (Presence::default(), false, true, false),
            (Presence::after_register(true), true, false, true),
            (Presence::after_register(false), true, true, false),
            (Presence::after_unregister(true), false, true, false),
            (Presence::after_unregister(false), true, true, true),
        ];
        for (presence, needs_unregister, needs_register, in_service) in rows {
            assert_eq!(
                presence.needs_unregister(),
                needs_unregister,
                "{presence:?}"
            );
            assert_eq!(presence.needs_register(), needs_register, "{presence:?}");
            assert_eq!(presence.is_in_service(), in_service, "{presence:?}");
        }
    }
}
