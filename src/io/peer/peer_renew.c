/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewed certificates without a restart.
 *
 * Happy path: a worker thread looks at size, time and inode of the three files; they are those in
 * use. If not, it reads and checks them, makes credentials of them, and the loop uses these for
 * every connection that is made from then on. Connections that stand keep the old ones, which are
 * freed with the last of them.
 *
 * Failure modes: files that are just being written (they change while they are read, or do not fit
 * together): looked at again; still unusable then: reported, the old ones stay in use. The
 * certificate in use ends: reported from PKI_WARN_DAYS before, and again every day.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "io/peer/peer_priv.h"

#define RENEW_INTERVAL_MS 5000
#define RENEW_WARN_US (24 * 3600 * (int64_t)1000000)
#define DAY_S (24 * 3600)

/* ---- credentials are shared by connections ---- */

struct peer_credentials *peer_credentials_use(struct peer_credentials *c)
{
    c->users++;
    return c;
}

void peer_credentials_drop(struct peer_credentials *c)
{
    if (c == NULL || --c->users > 0)
        return;
    gnutls_certificate_free_credentials(c->gnutls);
    free(c);
}

/* ---- one look, in a worker thread ---- */

static void stamp_files(const struct peer_config *c, struct peer_stamp *ret_stamp)
{
    const char *paths[PEER_FILES] = {c->ca_file, c->cert_file, c->key_file};
    memset(ret_stamp, 0, sizeof *ret_stamp);
    for (unsigned i = 0; i < PEER_FILES; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0)
            continue;
        ret_stamp->file[i].inode = st.st_ino;
        ret_stamp->file[i].size = st.st_size;
        ret_stamp->file[i].changed_s = st.st_mtim.tv_sec;
        ret_stamp->file[i].changed_ns = st.st_mtim.tv_nsec;
    }
}

static bool same_stamp(const struct peer_stamp *a, const struct peer_stamp *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void look_at_files(uv_work_t *work)
{
    struct peer *peer = work->data;
    struct peer_look *look = &peer->renew.look;
    struct peer_stamp after;
    look->msg = (struct errmsg)ERRMSG_INIT;
    look->fresh = NULL;
    stamp_files(&peer->config, &look->stamp);
    look->changed = !same_stamp(&look->stamp, &peer->renew.in_use);
    if (!look->changed)
        return;
    look->err = peer_tls_make(peer, &look->facts, &look->fresh, &look->msg);
    stamp_files(&peer->config, &after);
    look->moving = !same_stamp(&after, &look->stamp);
}

/* ---- what the loop makes of it ---- */

static int days_until(int64_t end_s)
{
    int64_t left_s = end_s - (int64_t)time(NULL);
    return (int)(left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S));
}

static void say_end(char *buf, size_t size, const char *what, int days)
{
    if (days < 0)
        (void)snprintf(buf, size,
                       "the %s of this node expired %d days ago: the others refuse its next "
                       "connection; renew it, no restart is needed",
                       what, -days);
    else if (days < PKI_WARN_DAYS)
        (void)snprintf(buf, size, "the %s expires in %d days: renew it, no restart is needed", what,
                       days);
}

void peer_certificate(const struct peer *peer, struct peer_certificate *ret)
{
    const struct peer_renew *r = &peer->renew;
    memset(ret, 0, sizeof *ret);
    ret->days = days_until(r->facts.cert_end_s);
    ret->ca_days = days_until(r->facts.ca_end_s);
    if (ret->ca_days <= ret->days)
        say_end(ret->trouble, sizeof ret->trouble, "CA certificate", ret->ca_days);
    else
        say_end(ret->trouble, sizeof ret->trouble, "certificate", ret->days);
    if (r->refused_text[0] != '\0')
        (void)snprintf(ret->trouble, sizeof ret->trouble, "new certificate files are not used: %s",
                       r->refused_text);
}

static void tell(struct peer *peer)
{
    struct peer_renew *r = &peer->renew;
    struct peer_certificate c;
    peer_certificate(peer, &c);
    if (strcmp(c.trouble, r->told) == 0)
        return;
    (void)snprintf(r->told, sizeof r->told, "%s", c.trouble);
    if (peer->callbacks.on_certificate != NULL)
        peer->callbacks.on_certificate(peer->callbacks.data, &c);
}

static void warn_of_end(struct peer *peer, const char *what, const char *file, int days)
{
    if (days < PKI_WARN_DAYS)
        LOG(&peer->config.log, WARNING, "peer-certificate-expires",
            "%s %s, renew it file=%s days=%d", what, days < 0 ? "has expired" : "expires soon",
            file, days);
}

static void warn(struct peer *peer)
{
    struct peer_renew *r = &peer->renew;
    const struct peer_config *c = &peer->config;
    int64_t now_us = peer_now_us();
    if (r->warned_us != 0 && now_us - r->warned_us < RENEW_WARN_US)
        return;
    r->warned_us = now_us;
    warn_of_end(peer, "certificate", c->cert_file, days_until(r->facts.cert_end_s));
    warn_of_end(peer, "CA certificate", c->ca_file, days_until(r->facts.ca_end_s));
    /* No reason to stop: the clock of a host that boots is often corrected a little later. */
    if (!r->facts.has_begun)
        LOG(&c->log, WARNING, "peer-certificate-not-valid-yet",
            "the other nodes will refuse this certificate, check the clock of this host file=%s",
            c->cert_file);
}

/* Takes the credentials over. */
static int adopt(struct peer *peer, const struct pki_facts *facts, const struct peer_stamp *stamp,
                 gnutls_certificate_credentials_t fresh)
{
    struct peer_credentials *c = calloc(1, sizeof *c);
    if (c == NULL) {
        gnutls_certificate_free_credentials(fresh);
        return ERR_NOMEM;
    }
    c->gnutls = fresh;
    c->users = 1;
    peer_credentials_drop(peer->credentials);
    peer->credentials = c;
    peer->renew.facts = *facts;
    peer->renew.in_use = *stamp;
    peer->renew.refused_text[0] = '\0';
    peer->renew.warned_us = 0;
    return 0;
}

/* Files that do not fit together are told at the second look that finds the same ones. */
static void refuse(struct peer *peer, const struct peer_look *look)
{
    struct peer_renew *r = &peer->renew;
    if (!same_stamp(&r->seen, &look->stamp) || r->refused_text[0] != '\0')
        return;
    (void)snprintf(r->refused_text, sizeof r->refused_text, "%s", look->msg.text);
    LOG(&peer->config.log, ERROR, "peer-certificate-not-used",
        "the certificate files have changed and cannot be used, the earlier ones stay in use "
        "error='%s'",
        look->msg.text);
}

static void judge_change(struct peer *peer)
{
    struct peer_renew *r = &peer->renew;
    struct peer_look *look = &r->look;
    if (!same_stamp(&r->seen, &look->stamp))
        r->refused_text[0] = '\0';
    if (look->err == 0 && !look->moving) {
        if (adopt(peer, &look->facts, &look->stamp, look->fresh) == 0)
            LOG(&peer->config.log, NOTICE, "peer-certificate-renewed",
                "the certificate files have changed and are used from now on days=%d ca_days=%d",
                days_until(r->facts.cert_end_s), days_until(r->facts.ca_end_s));
    } else {
        if (look->err == 0)
            gnutls_certificate_free_credentials(look->fresh);
        else
            refuse(peer, look);
    }
    look->fresh = NULL;
    r->seen = look->stamp;
}

static void start_look(struct peer *peer);

static void look_ended(uv_work_t *work, int status)
{
    struct peer *peer = work->data;
    struct peer_renew *r = &peer->renew;
    r->looking = false;
    if (status == 0 && !peer->closing) {
        if (r->look.changed)
            judge_change(peer);
        else
            r->refused_text[0] = '\0';
        warn(peer);
        tell(peer);
    } else if (r->look.fresh != NULL) {
        gnutls_certificate_free_credentials(r->look.fresh);
    }
    if (!peer->closing && r->again)
        start_look(peer);
    peer_handle_closed(peer);
}

static void start_look(struct peer *peer)
{
    struct peer_renew *r = &peer->renew;
    r->again = r->looking;
    if (r->looking)
        return;
    r->work.data = peer;
    r->look.fresh = NULL;
    if (uv_queue_work(peer->config.loop, &r->work, look_at_files, look_ended) != 0)
        return;
    r->looking = true;
    peer->handles_open++;
}

void peer_reload(struct peer *peer)
{
    if (!peer->closing)
        start_look(peer);
}

static void on_interval(uv_timer_t *timer)
{
    start_look(timer->data);
}

/* ---- life ---- */

int peer_renew_load(struct peer *peer, struct errmsg *msg)
{
    struct peer_stamp stamp;
    struct pki_facts facts;
    gnutls_certificate_credentials_t fresh = NULL;
    int rv;
    stamp_files(&peer->config, &stamp);
    rv = peer_tls_make(peer, &facts, &fresh, msg);
    if (rv == 0)
        rv = adopt(peer, &facts, &stamp, fresh);
    return rv;
}

void peer_renew_start(struct peer *peer)
{
    unsigned every_ms = peer->config.renew_interval_ms;
    if (every_ms == 0)
        every_ms = RENEW_INTERVAL_MS;
    (void)uv_timer_init(peer->config.loop, &peer->renew.timer);
    peer->renew.timer.data = peer;
    peer->handles_open++;
    warn(peer);
    /* The first look tells what is to be told, which peer_start() may not. */
    (void)uv_timer_start(&peer->renew.timer, on_interval, 0, every_ms);
}

static void on_timer_closed(uv_handle_t *handle)
{
    peer_handle_closed(handle->data);
}

void peer_renew_stop(struct peer *peer)
{
    uv_close((uv_handle_t *)&peer->renew.timer, on_timer_closed);
}
