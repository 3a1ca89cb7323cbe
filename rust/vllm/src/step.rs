//! One message of an engine core: what a step of its scheduler made.

use crate::layout::{Layout, StepField};
use crate::msgpack::{self, Cursor};
use crate::output::Output;

/// The whole of the message by which an engine core says that it is dead.
pub const ENGINE_CORE_DEAD: &[u8] = b"ENGINE_CORE_DEAD";

/// Outputs that room is made for at once: the length that a message tells may be anything.
const MOST_AT_ONCE: usize = 1024;

/// A step, whose parts lie in the message's first frame.
#[derive(Debug)]
pub struct Step<'a> {
    /// The data-parallel rank.
    pub engine_index: u32,
    /// On the core's monotonic clock, in seconds.
    pub timestamp: f64,
    /// The scheduler's statistics, as they came.
    pub scheduler_stats: Option<&'a [u8]>,
    /// What it has for each request.
    pub outputs: Vec<Output<'a>>,
    /// Whether it has what only vLLM's own client acts upon: who has finished, waves.
    pub is_for_client: bool,
    frame: &'a [u8],
}

/// What a message is.
#[derive(Debug)]
pub enum Message<'a> {
    /// A step.
    Step(Step<'a>),
    /// The answer to a call of vLLM's client.
    Utility,
}

impl Layout {
    /// Reads the first frame of a message.
    ///
    /// # Errors
    ///
    /// The field that cannot be read. A single output that cannot be read is no error of the
    /// message.
    pub fn read<'a>(&self, frame: &'a [u8]) -> Result<Message<'a>, &'static str> {
        let mut step = Step {
            engine_index: 0,
            timestamp: 0.0,
            scheduler_stats: None,
            outputs: Vec::new(),
            is_for_client: false,
            frame,
        };
        let mut is_utility = false;
        let mut cursor = Cursor::at(frame);
        let fields = cursor.array().ok_or("EngineCoreOutputs")?;
        // What a release has not written is as its default is.
        for place in 0..fields {
            let field = self.step.get(place as usize).unwrap_or(&StepField::Other);
            match field {
                StepField::EngineIndex => {
                    step.engine_index = cursor.unsigned().ok_or("engine_index")?;
                }
                StepField::Timestamp => step.timestamp = cursor.float().ok_or("timestamp")?,
                StepField::Outputs => self.read_outputs(&mut cursor, &mut step.outputs)?,
                _ if cursor.nil() => {}
                StepField::SchedulerStats => {
                    step.scheduler_stats = Some(cursor.value().ok_or("scheduler_stats")?);
                }
                StepField::UtilityOutput => {
                    cursor.value().ok_or("utility_output")?;
                    is_utility = true;
                }
                StepField::Client => {
                    cursor.value().ok_or("finished_requests")?;
                    step.is_for_client = true;
                }
                StepField::Other => {
                    cursor.value().ok_or("another field")?;
                }
            }
        }
        if !cursor.is_at_end() {
            return Err("EngineCoreOutputs");
        }
        Ok(if is_utility {
            Message::Utility
        } else {
            Message::Step(step)
        })
    }

    fn read_outputs<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        outputs: &mut Vec<Output<'a>>,
    ) -> Result<(), &'static str> {
        let length = cursor.array().ok_or("outputs")?;
        outputs.reserve((length as usize).min(MOST_AT_ONCE));
        for _ in 0..length {
            outputs.push(self.read_output(cursor)?);
        }
        Ok(())
    }

    /// The first frame of a message with `outputs` alone, which are some of this step's, and
    /// without the scheduler's statistics where they were `taken`. All else stays as it is, and so
    /// do the other frames.
    pub fn rest_of(&self, step: &Step<'_>, outputs: &[&Output<'_>], taken: bool) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut cursor = Cursor::at(step.frame);
        let fields = cursor.array().unwrap_or_default();
        msgpack::write_array(&mut rest, fields as usize);
        for place in 0..fields {
            let value = cursor.value().unwrap_or(msgpack::NIL);
            match self.step.get(place as usize) {
                Some(StepField::Outputs) => {
                    msgpack::write_array(&mut rest, outputs.len());
                    for output in outputs {
                        rest.extend_from_slice(output.raw);
                    }
                }
                Some(StepField::SchedulerStats) if taken => rest.extend_from_slice(msgpack::NIL),
                _ => rest.extend_from_slice(value),
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests;
