/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MySQL adapter: one agent's view of the server on its own host, and its hands on it. It turns
 * probes into struct server_facts and carries out jobs (wire/job.def, executors SQL and BEAT). It
 * knows nothing of terms, roles or policy: the caller has checked that a job may run (S10).
 *
 * Connections to the local server, all non-blocking on the loop, each statement with a deadline:
 *   probe    "SELECT 1" only: is the server alive?
 *   facts    variables and status, read beside each probe. Its own connection, because
 *            SHOW ... STATUS waits behind a STOP REPLICA: a probe is OK when the probe connection
 *            answered. If the facts are late (grace: half of the probe's limit) the outcome is OK
 *            with facts that are partly old (mysql_probe.stale), and never more than one statement
 *            is stuck in the server.
 *   action   the one action session (S10). Its first statement takes the user lock
 *            'tandem_action'; a session of an older life or of a statement that timed out still
 *            holds it, is KILLed, and has gone when the lock is ours. It never writes rows.
 *   beat     the heartbeat row. A beat that hangs in semi-sync is left to itself at its deadline
 *            and the connection is replaced; it is never KILLed (on MariaDB that would commit it).
 *
 * Happy path: mysql_adapter_start -> on_probe every interval -> jobs -> mysql_adapter_stop -> its
 * callback. Failure modes: nobody listens, full, denied, hung (accepts and says nothing), broken:
 * all are outcomes of a probe (enum probe_outcome) or of a job (enum job_outcome), never errors of
 * the functions below.
 *
 * Callbacks come from the loop, never from within a function of this file (mysql_server_died is
 * the exception its comment names). The adapter owns everything; values passed to callbacks are
 * valid during the call.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_H
#define TANDEM_IO_MYSQL_MYSQL_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"
#include "util/log.h"
#include "wire/job.h"
#include "wire/server.h"

#define MYSQL_ACCOUNT_MAX 96
#define MYSQL_JOBS_MAX 16

/* What one probe saw. */
struct mysql_probe {
    enum probe_outcome outcome;
    uint32_t sql_errno; /* of the server or of the client library; 0 = none */
    int64_t latency_us; /* of the liveness part; connecting included where it was needed */
    /* Facts of this server's run, NULL if none were read yet. With outcome OK and !stale they were
     * read by this probe. */
    const struct server_facts *facts;
    bool stale;         /* some of the facts are older: their statements have not answered */
    const char *detail; /* sentence; "" if all is well */
};

struct mysql_callbacks {
    void *data;
    void (*on_probe)(void *data, const struct mysql_probe *probe);
    /* Exactly once per started job, id as given. facts: read after the work if outcome is DONE,
     * else the last known; never NULL (all zero if nothing was ever read). */
    void (*on_job)(void *data, uint64_t id, const struct job_result *result,
                   const struct server_facts *facts);
};

/* Copied by mysql_adapter_start. */
struct mysql_config {
    uv_loop_t *loop;
    struct log log;
    char socket[PATH_TEXT_MAX];      /* unix socket; "" = TCP */
    char host[ADDRESS_TEXT_MAX];     /* numeric; used without a socket */
    uint16_t port;                   /* of the server; used without a socket */
    char report_name[NODE_NAME_MAX]; /* name of this node in the heartbeat table */
    char agent_user[MYSQL_ACCOUNT_MAX];
    char agent_password[MYSQL_ACCOUNT_MAX];
    char replication_user[MYSQL_ACCOUNT_MAX];
    char replication_password[MYSQL_ACCOUNT_MAX];
    uint32_t probe_interval_ms; /* >= 10 */
    uint32_t probe_timeout_ms;  /* >= 10 */
    /* The action session is made when there is work, not beforehand: for a server that two agents
     * look at, of which one works. */
    bool on_demand;
    struct mysql_callbacks callbacks;
};

struct mysql_adapter;
struct undo_script;

/* Starts probing at once. ERR_INVAL, ERR_NOMEM. */
int mysql_adapter_start(const struct mysql_config *config, struct errmsg *ret_errmsg,
                        struct mysql_adapter **ret_adapter) NODISCARD;
/* Ends everything: pending jobs complete (JOB_FAILED) before `done` is called, then *adapter is
 * freed. The sockets are shut down at once; a hung server does not delay it. */
void mysql_adapter_stop(struct mysql_adapter *adapter, void (*done)(void *data), void *data);

/* A probe as soon as possible (one that is running counts). */
void mysql_probe_now(struct mysql_adapter *adapter);
/* Newest facts of this server's run; NULL if none. Valid until the loop turns. */
const struct server_facts *mysql_adapter_facts(const struct mysql_adapter *adapter);

/*
 * Starts a job of executor SQL or BEAT; SQL jobs queue behind each other in the order of their
 * calls, a BEAT runs beside them. job.timeout_ms counts from this call. ERR_INVAL (kind, timeout,
 * or address not numeric), ERR_FULL (MYSQL_JOBS_MAX wait; a second BEAT while one runs): then there
 * is no callback.
 *
 * Every job is idempotent. JOB_DONE: the state was read back. JOB_TIMEOUT: the session was dropped;
 * the statement may still be running in the server; it is killed before the next action.
 *   FACTS         all facts, settings and XA RECOVER included, anew.
 *   SEAL          no channel: nothing to do. Both threads of a MariaDB replica stopped with
 *                 unapplied relay log: REFUSED (starting either would purge it).
 *                 A few milliseconds as long as the IO thread reads from its source, hung or
 *                 vanished sources included (MariaDB 11.8: a second then). If it hangs in
 *                 connect() because the source's host vanished longer than slave_net_timeout ago:
 *                 up to two seconds (MariaDB 11.8: slave_net_timeout).
 *   DRAIN         FAILED at once if the SQL thread has stopped with an error.
 *   LEVEL         the second channel is removed in any case; two thirds of the time are for
 *                 fetching, the rest for removing it.
 *   CLOSE         not taken back if it fails: the server may be closed, or a statement be left that
 *                 closes it; OPEN ends both.
 *   CLOSE_CLIENTS count = sessions closed; spared are the agent, the replication account, dump
 *                 threads and the server's own threads.
 *   ATTACH        of another source: what is received is applied first; what cannot be applied is
 *                 thrown away only if `gtid` (what the source has; optional) contains it, else
 *                 REFUSED. On MariaDB gtid_slave_pos is set to the binlog's position per domain.
 *   DETACH        MariaDB: the SQL thread is not stopped before everything received is applied (its
 *                 next start would purge the rest); TIMEOUT if that takes too long.
 *   EVICT         done as well if `host` has no dump thread here. The server must not resolve
 *                 names (skip_name_resolve).
 *   HEARTBEAT     makes schema tandem and table heartbeat if they are missing; facts.executed was
 *                 read after the commit.
 */
int mysql_job_start(struct mysql_adapter *adapter, uint64_t id, const struct job *job) NODISCARD;
/* UNDO: the script (wire/undo.h) must stay until the job has ended. One at a time. DONE: all of it
 * was carried out; REFUSED: nothing has changed, the detail is "reason-id: sentence". */
int mysql_undo_start(struct mysql_adapter *adapter, uint64_t id, const struct job *job,
                     const struct undo_script *script) NODISCARD;
/* Ends all jobs (JOB_TIMEOUT, "aborted") and drops the action session: for a new term that must
 * not wait behind the jobs of an old one. */
void mysql_jobs_abort(struct mysql_adapter *adapter);

/* A server process appeared: forget what was known, probe every 20 ms until it answers. */
void mysql_server_started(struct mysql_adapter *adapter);
/* The server process is gone: all connections are dropped now; the running probe (PROBE_LOST) and
 * all jobs (JOB_FAILED) end before this returns: their callbacks are called from in here. */
void mysql_server_died(struct mysql_adapter *adapter);

#endif
