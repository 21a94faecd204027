//! Priority of the threads that must not be late.
//!
//! A host gives its audio thread real-time priority, but not the threads that a plugin makes. Beside a
//! compiler the engine would be scheduled like the compiler, and the voice would drop out.

/// Asks for priority for this thread, below what hosts give their audio threads. Where the system
/// refuses, the thread goes on as it is. Makes system calls.
pub fn raise() {
    #[cfg(target_os = "linux")]
    linux();
}

/// Real time where the user may have it (`RLIMIT_RTPRIO`, as the usual set-up for JACK grants it), else
/// a better place among the ordinary threads (`RLIMIT_NICE`).
#[cfg(target_os = "linux")]
fn linux() {
    /// Hosts use 10 to 95; a few below the least of them leave room for what matters more.
    const REAL_TIME: i32 = 5;
    const NICE: i32 = -11;
    let wanted = libc::sched_param {
        sched_priority: REAL_TIME,
    };
    // What the thread starts is none of this.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: plain system calls about the calling thread (0), with a structure that outlives them.
    unsafe {
        if libc::sched_setscheduler(0, policy, &wanted) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
        }
    }
}
