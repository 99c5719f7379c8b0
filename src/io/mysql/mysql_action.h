/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The action session and its queue of jobs. A job is a script: one function that is called with the
 * script's state, issues one thing (statement, reading of facts, short wait) and names the state in
 * which it goes on. The engine owns deadlines, the session's preparation (S10) and completion.
 *
 * Preparation, whenever the session is new: take the user lock 'tandem_action'; if another session
 * holds it, KILL that and try again until it is gone. The server gives the lock back only after a
 * session's last statement has ended, so nothing of an older life can happen any more.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_ACTION_H
#define TANDEM_IO_MYSQL_MYSQL_ACTION_H

#include "io/mysql/mysql.h"
#include "io/mysql/mysql_conn.h"
#include "io/mysql/mysql_facts.h"

#define ACTOR_SWEEP_MAX 128
/* States of a script are below; those of the shared parts, which the engine runs, above. */
#define ACTOR_STATE_SHARED 1000
#define ACTOR_STATE_OFF 1100 /* of actor_source_off */
#define ACTOR_OFF_MAX 16

struct mysql_adapter;
struct undo_script;
struct mysql_actor;

typedef void (*actor_step)(struct mysql_actor *actor);

struct actor_order {
    uint64_t id;
    struct job job;
    int64_t start_us;
    int64_t deadline_us;
};

/* KILL of all sessions that a rule names, listed again until none of them is left. Sessions that
 * began after the first list do not count: an evicted replica or a pool comes back at once. */
struct actor_sweep {
    bool (*match)(const struct mysql_actor *actor, const struct sql_row *row);
    int next; /* state when none is left */
    unsigned count;
    unsigned at;
    uint32_t killed; /* different sessions */
    uint64_t ids[ACTOR_SWEEP_MAX];
    uint64_t last_killed; /* highest id that was killed */
    uint64_t newest;      /* highest id of the first list; 0 before it */
};

struct mysql_actor {
    struct mysql_adapter *adapter;
    struct mysql_conn conn;
    struct mysql_conn waker; /* of actor_source_off; closed at the end of the job */
    struct mysql_facts reader;
    uv_timer_t timer;
    bool stopping;
    bool locked; /* this session holds the lock */
    int64_t warmed_us;
    unsigned queue_count;
    struct actor_order queue[MYSQL_JOBS_MAX];

    bool running;
    struct actor_order order;
    actor_step step;
    int state;
    int prepare;          /* enum actor_prepare */
    int64_t limit_us;     /* of the present phase; <= order.deadline_us */
    uint32_t wait_ms;     /* next wait; doubles */
    bool tolerant;        /* an error of the server goes to the script as well */
    int undo_state;       /* where to go when limit, connection or a statement fails; 0 = nowhere */
    uint64_t holder;      /* connection that holds the lock */
    uint64_t told_holder; /* the last one that the log has */
    int abort_outcome;
    const char *abort_detail;        /* while mysql_actor_abort runs */
    const struct mysql_reply *reply; /* during step */
    struct job_result result;

    /* Scratch of the scripts. */
    bool tried;
    bool renewed;
    int stop_io_next;  /* actor_stop_io */
    int stop_sql_next; /* actor_stop_sql */
    int stop_sql_word;
    int64_t stop_sql_us; /* when the applier was ended; 0 = not yet */
    uint64_t waiting;    /* UNBLOCK: the statement that waits */
    char received[GTID_TEXT_MAX];
    struct actor_sweep sweep;
    int off_next; /* actor_source_off */
    unsigned off_count;
    unsigned off_at;
    uint64_t off_ids[ACTOR_OFF_MAX];
    const struct undo_script *script; /* UNDO; borrowed until the job ends */
    unsigned script_at;
};

void mysql_actor_init(struct mysql_actor *actor, struct mysql_adapter *adapter);
int mysql_actor_start(struct mysql_actor *actor, uint64_t id, const struct job *job) NODISCARD;
/* Prepares the session while nothing is to be done, so that the first job finds it ready. */
void mysql_actor_warm(struct mysql_actor *actor);
/* Ends all jobs with this outcome and drops the session. */
void mysql_actor_abort(struct mysql_actor *actor, int outcome, const char *detail);
void mysql_actor_stop(struct mysql_actor *actor, void (*fn)(void *data), void *data);
#define MYSQL_ACTOR_HANDLES 3

/* For scripts: each is the last call of a step. `next` is the state to go on in. */
void actor_sql(struct mysql_actor *actor, int next, const char *sql);
/* The server's errors are for the next state: actor->reply->err. */
void actor_sql_tolerant(struct mysql_actor *actor, int next, const char *sql);
/* Tolerant, a text of any size that outlives the job. */
void actor_sql_long(struct mysql_actor *actor, int next, const char *sql, size_t size);
void actor_word(struct mysql_actor *actor, int next, enum dialect_word word);
void actor_read(struct mysql_actor *actor, int next, unsigned want);
/* 1, 2, 4, 8, 10, 10 ... ms. */
void actor_wait(struct mysql_actor *actor, int next);
void actor_goto(struct mysql_actor *actor, int next);
/*
 * Stops the IO thread. At its end a semi-sync IO thread of MariaDB dials the source to end its dump
 * thread there, and waits for one that is hung or has vanished; STOP sends a signal, waits two
 * seconds, and sends the signal that ends the dialling. A KILL of the thread before the STOP is the
 * first of two such signals: milliseconds (tried with 10.11.19, source stopped and unreachable).
 * With 11.8.6 no signal ends it: a second, which REPLICA_SIDE and ATTACH set as its limit.
 */
void actor_stop_io(struct mysql_actor *actor, int next);
/*
 * Stops the applier, by that word. MySQL's coordinator waits for a minute for the rest of a
 * transaction of which it has a part (SLAVE_WAIT_GROUP_DONE), and STOP with it; of a source that
 * has vanished it never comes. When nothing else is left to apply, the thread is ended first: its
 * workers roll the part back. The IO thread must be stopped.
 */
void actor_stop_sql(struct mysql_actor *actor, int next, enum dialect_word word);
/*
 * Semi-sync off, without the second for which MySQL holds up new sessions meanwhile: the dump
 * threads of semi-sync replicas are ended, which connect again at once. Only where no commit may
 * wait for them any more. Facts of now are needed.
 */
void actor_source_off(struct mysql_actor *actor, int next);
void actor_sweep_start(struct mysql_actor *actor, int next,
                       bool (*match)(const struct mysql_actor *, const struct sql_row *));
void actor_done(struct mysql_actor *actor);
void actor_end(struct mysql_actor *actor, int outcome, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Ends with the outcome that was noted when the undo began. */
void actor_undone(struct mysql_actor *actor);
/* Gives the present phase this share of the job's time; then the undo state is gone to. */
void actor_phase(struct mysql_actor *actor, unsigned percent, int undo_state);

/* Facts of the last actor_read. */
const struct server_facts *actor_facts(const struct mysql_actor *actor);
bool actor_is_mariadb(const struct mysql_actor *actor);
enum dialect_kind actor_dialect(const struct mysql_actor *actor);

/* The steps of actor_sweep_start, actor_stop_io and actor_stop_sql; for the engine. */
void actor_shared_step(struct mysql_actor *actor);
void actor_source_off_step(struct mysql_actor *actor);

void job_facts_step(struct mysql_actor *actor);
void job_seal_step(struct mysql_actor *actor);
void job_drain_step(struct mysql_actor *actor);
void job_level_step(struct mysql_actor *actor);
void job_forget_step(struct mysql_actor *actor);
void job_open_step(struct mysql_actor *actor);
void job_close_step(struct mysql_actor *actor);
void job_close_clients_step(struct mysql_actor *actor);
void job_source_side_step(struct mysql_actor *actor);
void job_replica_side_step(struct mysql_actor *actor);
void job_attach_step(struct mysql_actor *actor);
void job_detach_step(struct mysql_actor *actor);
void job_evict_step(struct mysql_actor *actor);
void job_adopt_step(struct mysql_actor *actor);
void job_undo_step(struct mysql_actor *actor);
void job_unblock_step(struct mysql_actor *actor);

#endif
