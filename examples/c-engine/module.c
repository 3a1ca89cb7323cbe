/* The Python module: a class whose objects hand over an engine. One build serves every Python from
 * 3.11 on. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "engine.h"

/* Frees the capsule's engine, if nobody took it. The capsule has another name then. */
static void free_capsule(PyObject *capsule) {
    const char *name = PyCapsule_GetName(capsule);
    DynamoEngine *engine = (DynamoEngine *)PyCapsule_GetPointer(capsule, name);
    if (engine->table != NULL)
        engine->table->release(engine->data);
    PyMem_Free(engine);
}

static PyObject *hand_over(PyObject *self, PyObject *version) {
    (void)self, (void)version;
    const DynamoStr no_arguments = {NULL, 0};
    DynamoAnswer answer;
    DynamoEngine *engine = (DynamoEngine *)PyMem_Malloc(sizeof(DynamoEngine));
    if (engine == NULL || dynamo_engine_new(no_arguments, engine, &answer) != DYNAMO_READY) {
        PyMem_Free(engine);
        return PyErr_NoMemory();
    }
    PyObject *capsule = PyCapsule_New(engine, DYNAMO_ENGINE_CAPSULE, free_capsule);
    if (capsule == NULL) {
        engine->table->release(engine->data);
        PyMem_Free(engine);
    }
    return capsule;
}

static PyMethodDef methods[] = {
    {"__dynamo_engine__", hand_over, METH_O, "Hands over a new engine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"An engine that answers with the prompt, over and over."},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec cycle = {"c_engine.Cycle", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, slots};

static int add_class(PyObject *module) {
    PyObject *type = PyType_FromSpec(&cycle);
    const int failed = type == NULL ? -1 : PyModule_AddObjectRef(module, "Cycle", type);
    Py_XDECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)add_class},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "c_engine", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_c_engine(void) {
    return PyModuleDef_Init(&module);
}
