/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errclass.h - the one list of error classes.  A class is what a script may test for: its dotted
 * name stands in JSON and is accepted by `dyno explain CLASS`; its number travels from the child
 * to the parent and between versions, so a number is never used again.
 *
 * ERR(number, enumerator, "dotted.name", exit code of run/start/exec, "what it means")
 */
#ifndef DYNO_ERRCLASS_H
#define DYNO_ERRCLASS_H

#define DYNO_ERR_CLASSES(ERR)                                                                      \
	ERR(0, ERR_NONE, "none", 0, "no error")                                                    \
	ERR(1, ERR_USAGE, "usage", 125, "the command line does not fit the verb")                  \
	ERR(2, ERR_INTERNAL, "internal", 125, "a state that the program holds to be impossible")   \
	ERR(3, ERR_MEMORY, "host.memory", 125, "the host gave no memory")                          \
	ERR(4, ERR_IO, "host.io", 125, "a system call on the host failed")                         \
	ERR(5, ERR_HOST_LIMIT, "host.limit", 125, "a limit of the host or of the caller was met")  \
	ERR(6, ERR_CANCELLED, "run.cancelled", 125, "a signal came before there was a dyno")       \
	ERR(10, ERR_SLUG_OPEN, "slug.open", 125,                                                   \
	    "the slug cannot be opened or is of a wrong kind")                                     \
	ERR(11, ERR_SLUG_FORMAT, "slug.format", 125, "the slug is not an archive that dyno reads") \
	ERR(12, ERR_SLUG_TRUNCATED, "slug.truncated", 125, "the slug ends too early")              \
	ERR(13, ERR_SLUG_PATH, "slug.path", 125, "a member of the slug would leave its tree")      \
	ERR(14, ERR_SLUG_TYPE, "slug.type", 125, "a member of the slug is of a kind not allowed")  \
	ERR(15, ERR_SLUG_LIMIT, "slug.limit", 125,                                                 \
	    "the slug exceeds a cap on size, count or depth")                                      \
	ERR(16, ERR_SLUG_DIGEST, "slug.digest", 125,                                               \
	    "the slug's checksum is not the expected one")                                         \
	ERR(17, ERR_SLUG_LINK, "slug.link", 125, "a link in the slug has no target within it")     \
	ERR(18, ERR_SLUG_DUPLICATE, "slug.duplicate", 125, "a member is named twice in two kinds") \
	ERR(19, ERR_SLUG_EMPTY, "slug.empty", 125, "the slug holds no app")                        \
	ERR(20, ERR_SLUG_CHANGED, "slug.changed", 125, "the slug changed while it was read")       \
	ERR(30, ERR_STORE_DAMAGED, "store.damaged", 125, "a store entry is not what it was")       \
	ERR(31, ERR_STORE_NOT_FOUND, "store.not-found", 125, "no slug of that digest is stored")   \
	ERR(32, ERR_STORE_BUSY, "store.busy", 125, "a running dyno uses the store entry")          \
	ERR(33, ERR_STORE_IO, "store.io", 125, "the slug store cannot be read or written")         \
	ERR(40, ERR_PROCFILE, "procfile.syntax", 125, "the Procfile cannot be read")               \
	ERR(41, ERR_PROCFILE_MISSING, "procfile.missing", 125,                                     \
	    "the slug defines no process types")                                                   \
	ERR(42, ERR_PROCFILE_TYPE, "procfile.no-such-type", 125,                                   \
	    "the slug has no such process type")                                                   \
	ERR(43, ERR_ENV_KEY, "env.key", 125, "a config var's name is not allowed")                 \
	ERR(44, ERR_ENV_SYNTAX, "env.syntax", 125, "an env file cannot be read")                   \
	ERR(45, ERR_ENV_SIZE, "env.size", 125, "the environment is larger than the kernel takes")  \
	ERR(46, ERR_NAME, "name.invalid", 125, "the name of an app or dyno is not allowed")        \
	ERR(47, ERR_NAME_TAKEN, "name.taken", 125, "a live dyno of the app has that name")         \
	ERR(48, ERR_NOT_FOUND, "dyno.not-found", 1, "no dyno of that name")                        \
	ERR(51, ERR_ALIVE, "dyno.alive", 1, "the dyno lives, so it cannot be forgotten")           \
	ERR(52, ERR_MONITOR, "dyno.monitor", 1, "the dyno's monitor does not answer as it should") \
	ERR(53, ERR_SPEC, "spec.invalid", 125, "the JSON text is no dyno-spec(5)")                 \
	ERR(54, ERR_HEALTH, "health.invalid", 125, "a health check cannot be made so")             \
	ERR(55, ERR_RECORD, "record.io", 1, "the records of ended dynos cannot be read or kept")   \
	ERR(56, ERR_CRASHED, "dyno.crashed", 1, "the dyno crashed or ended before it was up")      \
	ERR(57, ERR_TIMEOUT, "dyno.timeout", 124,                                                  \
	    "the dyno did not come so far in the time given")                                      \
	ERR(58, ERR_SECCOMP, "seccomp.policy", 125, "a policy of system calls cannot be used")     \
	ERR(50, ERR_STACK, "stack.unusable", 125, "the stack is missing or cannot be used")        \
	ERR(59, ERR_LIMITS, "host.limits", 125,                                                    \
	    "a limit that is required cannot be set on this host")                                 \
	ERR(60, ERR_KERNEL, "host.kernel", 125,                                                    \
	    "the kernel lacks something dyno cannot do without")                                   \
	ERR(61, ERR_USERNS, "host.userns", 125, "a user namespace cannot be made")                 \
	ERR(62, ERR_USERNS_SYSCTL, "host.userns-sysctl", 125, "a sysctl forbids user namespaces")  \
	ERR(63, ERR_USERNS_APPARMOR, "host.userns-apparmor", 125,                                  \
	    "AppArmor forbids user namespaces")                                                    \
	ERR(64, ERR_USERNS_LIMIT, "host.userns-limit", 125,                                        \
	    "the limit of user namespaces is reached")                                             \
	ERR(65, ERR_USERNS_SECCOMP, "host.userns-seccomp", 125, "a seccomp filter forbids them")   \
	ERR(66, ERR_IDS, "host.ids", 125, "no free range of user ids")                             \
	ERR(67, ERR_IDMAP, "host.idmap", 125, "a file system does not take an id map")             \
	ERR(70, ERR_CGROUP, "host.cgroup", 125, "a control group cannot be made or written")       \
	ERR(71, ERR_MOUNT, "launch.mount", 125, "the dyno's root cannot be mounted")               \
	ERR(72, ERR_LAUNCH, "launch.step", 125, "a step of the launch failed")                     \
	ERR(73, ERR_LAUNCH_TIMEOUT, "launch.timeout", 125, "the launch did not end in time (R99)") \
	ERR(74, ERR_LAUNCH_LOST, "launch.lost", 125, "the launching process died without a word")  \
	ERR(75, ERR_SCRATCH, "launch.scratch", 125,                                                \
	    "the place for the dyno's writes cannot be made")                                      \
	ERR(76, ERR_EXEC_PERM, "exec.not-executable", 126, "the command cannot be executed")       \
	ERR(77, ERR_EXEC_MISSING, "exec.not-found", 127, "the command was not found")              \
	ERR(79, ERR_MOUNT_INVALID, "mount.invalid", 125,                                           \
	    "a mount that was asked for is not allowed")                                           \
	ERR(80, ERR_PORT, "port.unavailable", 125, "the port is taken or none is free")            \
	ERR(81, ERR_NETWORK, "host.network", 125, "the dyno's own network cannot be made")         \
	ERR(90, ERR_RUN_DIR, "host.run-dir", 125, "the run directory cannot be used")              \
	ERR(91, ERR_HELPER, "host.helper", 125, "a helper program of dyno cannot be run")          \
	ERR(92, ERR_ATTACHED, "dyno.attached", 125, "another client types in the dyno")            \
	ERR(93, ERR_NOT_ATTACHED, "dyno.not-attached", 125,                                        \
	    "no client came in time, so the command was not run (R13)")

#define DYNO_ERR_ENUM(number, enumerator, name, code, text) enumerator = (number),
enum err_class { DYNO_ERR_CLASSES(DYNO_ERR_ENUM) };
#undef DYNO_ERR_ENUM

#endif
