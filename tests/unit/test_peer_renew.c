/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_world.h"

struct told {
    unsigned count;
    char trouble[PEER_CERTIFICATE_TEXT_MAX];
};

static void on_certificate(void *data, const struct peer_certificate *c)
{
    struct world_node *n = data;
    struct told *told = n->world->user;
    told->count++;
    (void)snprintf(told->trouble, sizeof told->trouble, "%s", c->trouble);
}

static struct world *open_two(struct told *told, unsigned every_ms)
{
    struct world *w = world_open(2);
    w->user = told;
    w->node[0].config.renew_interval_ms = every_ms;
    w->node[1].config.renew_interval_ms = every_ms;
    return w;
}

static void start_two(struct world *w)
{
    w->on_certificate = on_certificate;
    world_start(w, 0);
    w->on_certificate = NULL;
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
}

/* A connection that was made after everything before. */
static void link_anew(struct world *w)
{
    world_stop(w, 1);
    world_start(w, 1);
    WORLD_UNTIL(w, world_linked(w, 0, 1));
}

static void copy(const char *from_dir, const char *from, const char *to_dir, const char *to,
                 const char *mode)
{
    char path[PATH_MAX];
    gnutls_datum_t pem;
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/%s", from_dir, from);
    assert_int_equal(gnutls_load_file(path, &pem), 0);
    (void)snprintf(path, sizeof path, "%s/%s", to_dir, to);
    f = fopen(path, mode);
    assert_non_null(f);
    assert_int_equal(fwrite(pem.data, 1, pem.size, f), pem.size);
    assert_int_equal(fclose(f), 0);
    gnutls_free(pem.data);
}

static void test_renewed_before_its_end(void **state)
{
    struct told told = {0};
    struct world *w = open_two(&told, 20);
    struct peer_certificate c;
    (void)state;
    world_make_certificate(w, "m1", -10, 5);
    start_two(w);
    WORLD_UNTIL(w, strstr(told.trouble, "expires in 4 days") != NULL);
    assert_int_equal(world_log_count(&w->node[0], "peer-certificate-expires"), 1);
    world_make_certificate(w, "m1", -10, 100);
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-certificate-renewed") == 1);
    WORLD_UNTIL(w, told.trouble[0] == '\0');
    assert_int_equal(told.count, 2);
    peer_certificate(w->node[0].peer, &c);
    assert_int_equal(c.days, 99);
    assert_true(c.ca_days > 3600);
    assert_int_equal(w->node[0].downs[1] + w->node[1].downs[0], 0);
    assert_int_equal(world_send(w, 0, 1, "x"), 0);
    WORLD_UNTIL(w, w->node[1].frames[0] == 1);
    world_close(w);
}

/* Both authorities in the file, then the new certificates, node by node. */
static void test_another_authority(void **state)
{
    struct told told = {0};
    struct world *w = open_two(&told, 20);
    char fresh[80], ca_of_m2[80];
    (void)state;
    (void)snprintf(fresh, sizeof fresh, "%s/fresh", w->dir);
    (void)snprintf(ca_of_m2, sizeof ca_of_m2, "%s/ca-of-m2.pem", w->dir);
    world_make_pki(fresh);
    copy(w->dir, "ca.pem", w->dir, "ca-of-m2.pem", "we");
    copy(w->dir, "ca.pem", w->dir, "old.pem", "we");
    w->node[1].config.ca_file = ca_of_m2;
    start_two(w);
    copy(fresh, "ca.pem", w->dir, "ca.pem", "ae");
    copy(fresh, "ca.pem", w->dir, "ca-of-m2.pem", "ae");
    for (unsigned i = 0; i < 2; i++)
        WORLD_UNTIL(w, world_log_count(&w->node[i], "peer-certificate-renewed") == 1);
    copy(fresh, "m1.key", w->dir, "m1.key", "we");
    copy(fresh, "m1.pem", w->dir, "m1.pem", "we");
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-certificate-renewed") == 2);
    assert_int_equal(w->node[0].downs[1] + w->node[1].downs[0], 0);
    link_anew(w);
    /* Who knows the old authority only refuses m1: so it does use its new certificate. */
    w->node[1].log[0] = '\0';
    (void)snprintf(ca_of_m2, sizeof ca_of_m2, "%s/old.pem", w->dir);
    world_stop(w, 1);
    world_start(w, 1);
    WORLD_UNTIL(w, strstr(w->node[1].log, "was not signed by this cluster's CA") != NULL);
    world_close(w);
}

static void test_unusable_files_are_not_used(void **state)
{
    struct told told = {0};
    struct world *w = open_two(&told, 20);
    (void)state;
    start_two(w);
    copy(w->dir, "m1.pem", w->dir, "kept.pem", "we");
    copy(w->dir, "m2.pem", w->dir, "m1.pem", "we");
    WORLD_UNTIL(w, strstr(told.trouble, "does not name node 'm1'") != NULL);
    assert_int_equal(world_log_count(&w->node[0], "peer-certificate-not-used"), 1);
    link_anew(w); /* with the earlier ones */
    world_make_certificate(w, "kept", -10, -2);
    copy(w->dir, "kept.pem", w->dir, "m1.pem", "we");
    WORLD_UNTIL(w, strstr(told.trouble, "expired 3 days ago") != NULL);
    link_anew(w);
    world_make_certificate(w, "m1", -10, 100);
    /* The trouble may end before: a look in between finds files that are just being changed. */
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-certificate-renewed") == 1);
    WORLD_UNTIL(w, told.trouble[0] == '\0');
    link_anew(w);
    world_close(w);
}

static void test_reload_looks_at_once(void **state)
{
    struct told told = {0};
    struct world *w = open_two(&told, 3600 * 1000);
    (void)state;
    start_two(w);
    world_make_certificate(w, "m1", -10, 100);
    peer_reload(w->node[0].peer);
    peer_reload(w->node[0].peer); /* also while a look is under way */
    WORLD_UNTIL(w, world_log_count(&w->node[0], "peer-certificate-renewed") == 1);
    /* Closing while a look is under way: nothing is left, nothing is used after it. */
    peer_reload(w->node[0].peer);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renewed_before_its_end),
        cmocka_unit_test(test_another_authority),
        cmocka_unit_test(test_unusable_files_are_not_used),
        cmocka_unit_test(test_reload_looks_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
