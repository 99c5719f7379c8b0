/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on a replica's channel. The order of statements is what keeps acknowledged transactions:
 * MariaDB throws the relay log away whenever a thread starts while
 * both are stopped, so the SQL thread is started before the IO thread is touched, and after the IO
 * thread's stop it is never started again.
 */
#include <string.h>

#include "io/mysql/mysql_internal.h"
#include "wire/gtid.h"

/* Starting a thread keeps the relay log. */
static bool start_keeps_relay_log(const struct mysql_actor *a, const struct server_facts *f)
{
    return !actor_is_mariadb(a) || f->io != THREAD_STOPPED || f->sql != THREAD_STOPPED;
}

/* ---- SEAL ---- */

/* Sessions of the agent's account that are not this process's: of an agent that died. A beat that
 * waits for an acknowledgement is spared: a KILL would commit it on MariaDB. */
static bool foreign_agent_match(const struct mysql_actor *a, const struct sql_row *row)
{
    static const char beat[] = "REPLACE INTO tandem.heartbeat";
    static const char waiting[] = "Waiting for semi-sync ACK";
    const struct mysql_adapter *adapter = a->adapter;
    uint64_t id = strtoull(sql_row_text(row, "Id", NULL), NULL, 10);
    if (strcmp(sql_row_text(row, "User", NULL), adapter->config.agent_user) != 0)
        return false;
    if (id == a->conn.thread_id || id == adapter->prober.conn.thread_id ||
        id == adapter->prober.facts_conn.thread_id || id == adapter->beat.conn.thread_id)
        return false;
    return strncmp(sql_row_text(row, "Info", NULL), beat, sizeof beat - 1) != 0 &&
           strncmp(sql_row_text(row, "State", NULL), waiting, sizeof waiting - 1) != 0;
}

enum { SEAL_START, SEAL_LOOK, SEAL_APPLIER, SEAL_STOPPED, SEAL_SWEPT, SEAL_VERIFY };

static void seal_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (!f->channel)
        actor_sweep_start(a, SEAL_SWEPT, foreign_agent_match);
    else if (f->sql == THREAD_STOPPED && !f->drained && !start_keeps_relay_log(a, f))
        actor_end(
            a, JOB_REFUSED,
            "both threads are stopped with unapplied relay log; starting them would purge it");
    else if (f->sql == THREAD_STOPPED && f->sql_errno == 0 && start_keeps_relay_log(a, f))
        actor_word(a, SEAL_APPLIER, WORD_START_SQL);
    else
        actor_goto(a, SEAL_APPLIER);
}

static void seal_verify(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (f->io == THREAD_STOPPED && a->tried && strcmp(a->received, f->received) == 0) {
        actor_done(a);
        return;
    }
    a->tried = f->io == THREAD_STOPPED;
    memcpy(a->received, f->received, sizeof a->received);
    actor_wait(a, SEAL_SWEPT);
}

void job_seal_step(struct mysql_actor *a)
{
    switch (a->state) {
    case SEAL_START:
        actor_read(a, SEAL_LOOK, FACTS_WANT_ALL);
        break;
    case SEAL_LOOK:
        seal_look(a);
        break;
    case SEAL_APPLIER:
        if (actor_facts(a)->io != THREAD_STOPPED)
            actor_stop_io(a, SEAL_STOPPED);
        else
            actor_goto(a, SEAL_STOPPED);
        break;
    case SEAL_STOPPED:
        actor_sweep_start(a, SEAL_SWEPT, foreign_agent_match);
        break;
    case SEAL_SWEPT:
        actor_read(a, SEAL_VERIFY, FACTS_WANT_ALL);
        break;
    default:
        seal_verify(a);
        break;
    }
}

/* ---- DRAIN ---- */

enum { DRAIN_READ, DRAIN_LOOK, DRAIN_END };

static void drain_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (f->drained)
        actor_read(a, DRAIN_END, FACTS_WANT_ALL);
    else if (f->sql != THREAD_STOPPED)
        actor_wait(a, DRAIN_READ);
    else if (f->sql_errno != 0)
        actor_end(a, JOB_FAILED, "the applier has stopped: %s", f->error);
    else if (!start_keeps_relay_log(a, f))
        actor_end(a, JOB_FAILED,
                  "both threads are stopped; starting the applier would purge the "
                  "relay log");
    else
        actor_word(a, DRAIN_READ, WORD_START_SQL);
}

void job_drain_step(struct mysql_actor *a)
{
    switch (a->state) {
    case DRAIN_READ:
        actor_read(a, DRAIN_LOOK, FACTS_WANT_STATUS);
        break;
    case DRAIN_LOOK:
        drain_look(a);
        break;
    default:
        actor_done(a);
        break;
    }
}

/* ---- FORGET ---- */

enum {
    FORGET_START,
    FORGET_LOOK,
    FORGET_STOPPED_IO,
    FORGET_CHECK,
    FORGET_RESET,
    FORGET_NAMED,
    FORGET_VERIFY
};

/* Not with something received and unapplied: RESET throws the relay log away. */
static bool forget_may(struct mysql_actor *a)
{
    return actor_facts(a)->drained || a->order.job.flag;
}

static void forget_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    if (a->reader.status.count == 0 && !a->reader.status.more)
        actor_done(a);
    else if (!forget_may(a))
        actor_end(a, JOB_REFUSED, "something received is not applied");
    else if (f->io != THREAD_STOPPED)
        actor_stop_io(a, FORGET_STOPPED_IO);
    else
        actor_goto(a, FORGET_CHECK);
}

static void forget_check(struct mysql_actor *a)
{
    if (!forget_may(a))
        actor_end(a, JOB_REFUSED, "something received is not applied");
    else
        actor_stop_sql(a, FORGET_RESET, WORD_STOP_ALL);
}

/* MariaDB: RESET SLAVE ALL is for one connection; the named ones go one by one. */
static void forget_named(struct mysql_actor *a)
{
    char name[2 * REPLICA_CHANNEL_NAME_MAX];
    char sql[2 * REPLICA_CHANNEL_NAME_MAX + 32];
    for (unsigned i = 0; actor_is_mariadb(a) && i < a->reader.status.count; i++) {
        if (a->reader.status.channels[i].name[0] == '\0')
            continue;
        if (dialect_escape(a->reader.status.channels[i].name, name, sizeof name) != 0)
            continue;
        (void)snprintf(sql, sizeof sql, "RESET SLAVE '%s' ALL", name);
        a->reader.status.channels[i].name[0] = '\0';
        actor_sql(a, FORGET_NAMED, sql);
        return;
    }
    actor_read(a, FORGET_VERIFY, FACTS_WANT_ALL);
}

void job_forget_step(struct mysql_actor *a)
{
    switch (a->state) {
    case FORGET_START:
        actor_read(a, FORGET_LOOK, FACTS_WANT_ALL);
        break;
    case FORGET_LOOK:
        forget_look(a);
        break;
    case FORGET_STOPPED_IO:
        actor_read(a, FORGET_CHECK, FACTS_WANT_STATUS);
        break;
    case FORGET_CHECK:
        forget_check(a);
        break;
    case FORGET_RESET:
        actor_word(a, FORGET_NAMED, WORD_RESET_ALL);
        break;
    case FORGET_NAMED:
        forget_named(a);
        break;
    default:
        if (a->reader.status.count == 0 && !a->reader.status.more)
            actor_done(a);
        else
            actor_end(a, JOB_FAILED, "a channel is still there");
        break;
    }
}

/* ---- DETACH ---- */

enum { DETACH_START, DETACH_LOOK, DETACH_STOPPED_IO, DETACH_CHECK, DETACH_STOPPED, DETACH_VERIFY };

static void detach_check(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    /* The next start would purge what is not applied (MariaDB): let it be applied. */
    if (actor_is_mariadb(a) && !f->drained && f->sql != THREAD_STOPPED)
        actor_wait(a, DETACH_STOPPED_IO);
    else
        actor_stop_sql(a, DETACH_STOPPED, WORD_STOP);
}

void job_detach_step(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    switch (a->state) {
    case DETACH_START:
        actor_read(a, DETACH_LOOK, FACTS_WANT_ALL);
        break;
    case DETACH_LOOK:
        if (!f->channel || (f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED))
            actor_done(a);
        else if (f->io != THREAD_STOPPED)
            actor_stop_io(a, DETACH_STOPPED_IO);
        else
            actor_goto(a, DETACH_CHECK);
        break;
    case DETACH_STOPPED_IO:
        actor_read(a, DETACH_CHECK, FACTS_WANT_STATUS);
        break;
    case DETACH_CHECK:
        detach_check(a);
        break;
    case DETACH_STOPPED:
        actor_read(a, DETACH_VERIFY, FACTS_WANT_ALL);
        break;
    default:
        if (f->io == THREAD_STOPPED && f->sql == THREAD_STOPPED)
            actor_done(a);
        else
            actor_wait(a, DETACH_STOPPED);
        break;
    }
}

/* ---- LEVEL ---- */

#define LEVEL_PERCENT 66

enum {
    LEVEL_START,
    LEVEL_LOOK,
    LEVEL_CLEAN,
    LEVEL_SIDE,
    LEVEL_CHANGE,
    LEVEL_STARTED,
    LEVEL_READ,
    LEVEL_POLL,
    LEVEL_UNDO,
    LEVEL_STOPPED,
    LEVEL_RESET,
    LEVEL_VERIFY
};

static bool level_reached(const struct mysql_actor *a)
{
    enum gtid_flavour flavour = actor_is_mariadb(a) ? GTID_MARIADB_STATE : GTID_MYSQL;
    struct gtid_set executed;
    struct gtid_set wanted;
    return gtid_parse(actor_facts(a)->executed, flavour, &executed) == 0 &&
           gtid_parse(a->order.job.gtid, flavour, &wanted) == 0 &&
           gtid_contains(&executed, &wanted);
}

static void level_look(struct mysql_actor *a)
{
    const struct server_facts *f = actor_facts(a);
    bool left = replica_status_find(&a->reader.status, DIALECT_LEVEL_CHANNEL) != NULL;
    if (f->io != THREAD_STOPPED)
        actor_end(a, JOB_REFUSED, "the channel from %s is still running", f->source_host);
    else if (level_reached(a) && !left)
        actor_done(a);
    else if (!left && !f->drained)
        actor_end(a, JOB_REFUSED, "something received is not applied");
    else if (left)
        actor_word(a, LEVEL_CLEAN, WORD_LEVEL_STOP); /* of a job that was cut short */
    else
        actor_goto(a, LEVEL_SIDE);
}

/* A new writer's replica side is off anyway; on, MariaDB's STOP of this channel would dial its
 * source, and wait for seconds if that has vanished meanwhile. */
static void level_side(struct mysql_actor *a)
{
    char sql[96];
    if (!actor_facts(a)->replica_side) {
        actor_goto(a, LEVEL_CHANGE);
        return;
    }
    (void)snprintf(sql, sizeof sql, "SET GLOBAL rpl_semi_sync_%s_enabled=0",
                   semi_replica_word(a->adapter->server.semi_replica));
    actor_sql(a, LEVEL_CHANGE, sql);
}

static void level_change(struct mysql_actor *a)
{
    const struct mysql_config *config = &a->adapter->config;
    struct dialect_source source = {a->order.job.host, a->order.job.port, config->replication_user,
                                    config->replication_password};
    char sql[1500];
    actor_phase(a, LEVEL_PERCENT, LEVEL_UNDO);
    if (dialect_change_source(actor_dialect(a), &source, /* level= */ true, sql, sizeof sql) != 0)
        actor_end(a, JOB_FAILED, "statement too long");
    else
        actor_sql(a, LEVEL_STARTED, sql);
    explicit_bzero(sql, sizeof sql);
}

static void level_poll(struct mysql_actor *a)
{
    const struct replica_channel *c = replica_status_find(&a->reader.status, DIALECT_LEVEL_CHANNEL);
    if (level_reached(a)) {
        actor_phase(a, 100, 0);
        a->result.outcome = JOB_DONE;
        actor_goto(a, LEVEL_UNDO);
    } else if (c == NULL || (c->sql == THREAD_STOPPED && c->sql_errno != 0) ||
               (c->io == THREAD_STOPPED && c->io_errno != 0)) {
        actor_phase(a, 100, 0);
        a->result.outcome = JOB_FAILED;
        (void)snprintf(a->result.detail, sizeof a->result.detail,
                       "the level channel stopped: %.200s", c != NULL ? c->error : "it is gone");
        actor_goto(a, LEVEL_UNDO);
    } else {
        actor_wait(a, LEVEL_READ);
    }
}

static void level_undo_step(struct mysql_actor *a)
{
    switch (a->state) {
    case LEVEL_UNDO:
        /* Tolerant: the channel may not have been made yet. */
        actor_sql_tolerant(a, LEVEL_STOPPED, dialect_word(actor_dialect(a), WORD_LEVEL_STOP));
        break;
    case LEVEL_STOPPED:
        actor_sql_tolerant(a, LEVEL_RESET, dialect_word(actor_dialect(a), WORD_LEVEL_RESET));
        break;
    case LEVEL_RESET:
        actor_read(a, LEVEL_VERIFY, FACTS_WANT_ALL);
        break;
    default:
        if (replica_status_find(&a->reader.status, DIALECT_LEVEL_CHANNEL) != NULL)
            actor_end(a, JOB_FAILED, "the level channel could not be removed");
        else
            actor_undone(a);
        break;
    }
}

void job_level_step(struct mysql_actor *a)
{
    switch (a->state) {
    case LEVEL_START:
        actor_read(a, LEVEL_LOOK, FACTS_WANT_ALL);
        break;
    case LEVEL_LOOK:
        level_look(a);
        break;
    case LEVEL_CLEAN:
        actor_word(a, LEVEL_SIDE, WORD_LEVEL_RESET);
        break;
    case LEVEL_SIDE:
        level_side(a);
        break;
    case LEVEL_CHANGE:
        level_change(a);
        break;
    case LEVEL_STARTED:
        actor_word(a, LEVEL_READ, WORD_LEVEL_START);
        break;
    case LEVEL_READ:
        actor_read(a, LEVEL_POLL, FACTS_WANT_VARS | FACTS_WANT_STATUS);
        break;
    case LEVEL_POLL:
        level_poll(a);
        break;
    default:
        level_undo_step(a);
        break;
    }
}
