//! The functions' promises: hand-made events in, answers, rows and queues out.
//!
//! The fleet is that of the worker's other tests. A batch is received from its queue and put into the shape in which Lambda's
//! event source hands it over, so that receipts are real.

mod sandbox;

mod batch;
mod dead_letters;
mod fifo;
mod invoke;
mod refused;
mod time;
