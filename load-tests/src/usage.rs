//! What this process used, as Linux counts it in `/proc/self` (proc(5)).

use std::fs;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// `/proc/self/stat` counts in hundredths of a second, whatever the kernel's own clock is (`USER_HZ`).
const TICKS_A_SECOND: u64 = 100;
/// Written to `clear_refs`: the peak begins anew at what is resident now.
const RESET_PEAK: &str = "5";

/// Between two moments.
pub(crate) struct Usage {
    /// Of all threads, in the kernel too.
    pub(crate) cpu: Duration,
    /// Handed to the kernel by `write` and its kin, files and sockets alike.
    pub(crate) written_bytes: u64,
    /// Most that was resident at once.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// All until now. The peak begins anew.
    pub(crate) fn from_here() -> io::Result<Self> {
        fs::write("/proc/self/clear_refs", RESET_PEAK)?;
        Self::until_now()
    }

    /// What came after.
    pub(crate) fn since(before: &Self) -> io::Result<Self> {
        let now = Self::until_now()?;
        Ok(Self {
            cpu: now.cpu.saturating_sub(before.cpu),
            written_bytes: now.written_bytes.saturating_sub(before.written_bytes),
            peak_bytes: now.peak_bytes,
        })
    }

    fn until_now() -> io::Result<Self> {
        Ok(Self {
            cpu: cpu(&fs::read_to_string("/proc/self/stat")?)?,
            written_bytes: field(&fs::read_to_string("/proc/self/io")?, "wchar:")?,
            peak_bytes: field(&fs::read_to_string("/proc/self/status")?, "VmHWM:")? * 1024,
        })
    }
}

/// User and system time: fields 14 and 15, counted after the program's name, which may hold anything.
fn cpu(stat: &str) -> io::Result<Duration> {
    let (_, fields) = stat.rsplit_once(')').ok_or(ErrorKind::InvalidData)?;
    let times: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).map_while(|field| field.parse().ok()).collect();
    let [user, system] = times[..] else { return Err(ErrorKind::InvalidData.into()) };
    Ok(Duration::from_millis((user + system) * 1_000 / TICKS_A_SECOND))
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(ErrorKind::InvalidData)?;
    let number = line.split_whitespace().next().and_then(|number| number.parse().ok());
    number.ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_moves_no_field() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 3";
        assert_eq!(cpu(stat).unwrap(), Duration::from_secs(3));
    }

    #[test]
    fn what_was_allocated_shows_in_the_peak() {
        let before = Usage::from_here().unwrap();
        let page = vec![1_u8; 64 << 20];
        let used = Usage::since(&before).unwrap();
        assert!(used.peak_bytes >= page.len() as u64, "{}", used.peak_bytes);
    }
}
