/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <unistd.h>

#include "io/raft/raft_rebuild.h"

struct place {
    char base[64];
    char dir[80];
    struct raft_dir_seed seed;
    struct errmsg msg;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    (void)snprintf(p->base, sizeof p->base, "/tmp/tandem-rebuild-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    (void)snprintf(p->dir, sizeof p->dir, "%s/raft", p->base);
    p->seed = (struct raft_dir_seed){
        .dir = p->dir, .cluster = "demo", .self = 1, .n_nodes = 3, .voters = 7};
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct place *p = *state;
    assert_int_equal(nftw(p->base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(p);
    return 0;
}

static struct raft_identity identity(struct place *p)
{
    struct raft_identity id = {0};
    assert_int_equal(raft_dir_identity(p->dir, &id, &p->msg), 0);
    return id;
}

static void test_once(void **state)
{
    struct place *p = *state;
    struct raft_rebuild rebuild = {.generation = 1, .term = 1007};
    assert_int_equal(raft_dir_bootstrap(&p->seed, &p->msg), 0);
    assert_int_equal(identity(p).generation, 0);
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), 0);
    assert_int_equal(identity(p).generation, 1);
    assert_int_equal(identity(p).rebuilt_term, 1007);
    assert_string_equal(identity(p).cluster, "demo");
    assert_true(raft_dir_is_fresh(p->dir));
    /* Interrupted behind its end: nothing is done twice. */
    assert_int_equal(raft_dir_set_fresh(p->dir, false, &p->msg), 0);
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), 0);
    assert_false(raft_dir_is_fresh(p->dir));
    /* And the next one is another one. */
    rebuild = (struct raft_rebuild){.generation = 2, .term = 2010};
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), 0);
    assert_int_equal(identity(p).generation, 2);
}

static void test_without_a_log(void **state)
{
    struct place *p = *state;
    const struct raft_rebuild rebuild = {.generation = 1, .term = 1007};
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), ERR_NOTFOUND);
    assert_int_equal(raft_dir_join(&p->seed, 0, &p->msg), 0);
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), ERR_NOTFOUND);
    assert_non_null(strstr(p->msg.text, "holds no log"));
    assert_int_equal(identity(p).generation, 0);
}

static void test_of_somebody_else(void **state)
{
    struct place *p = *state;
    const struct raft_rebuild rebuild = {.generation = 1, .term = 1007};
    assert_int_equal(raft_dir_bootstrap(&p->seed, &p->msg), 0);
    p->seed.self = 2;
    assert_int_equal(raft_rebuild(&p->seed, &rebuild, &p->msg), ERR_STATE);
    p->seed.self = 1;
    assert_int_equal(identity(p).generation, 0);
}

static void test_join(void **state)
{
    struct place *p = *state;
    assert_int_equal(raft_dir_join(&p->seed, 4, &p->msg), 0);
    assert_true(raft_dir_joins(p->dir));
    assert_int_equal(identity(p).generation, 4);
    assert_int_equal(raft_dir_join(&p->seed, 4, &p->msg), 0); /* a crash on the way */
    assert_int_equal(raft_dir_joined(p->dir, &p->msg), 0);
    assert_false(raft_dir_joins(p->dir));
    assert_int_equal(raft_dir_joined(p->dir, &p->msg), 0);
}

static void test_a_node_with_a_log_does_not_join(void **state)
{
    struct place *p = *state;
    assert_int_equal(raft_dir_bootstrap(&p->seed, &p->msg), 0);
    assert_int_equal(raft_dir_join(&p->seed, 0, &p->msg), ERR_EXISTS);
    assert_false(raft_dir_joins(p->dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_somebody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_join, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_node_with_a_log_does_not_join, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
