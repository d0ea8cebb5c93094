//! The planner over the embedded backend: from a batch to its children, whatever interrupts it.

mod bucket;
mod world;

mod again;
mod cancelling;
mod expiring;
mod files;
mod interrupted;
mod items;
mod lines;
mod lost;
mod new_objects;
mod object_lines;
mod objects;
mod parts;
mod repeated;
mod step;
