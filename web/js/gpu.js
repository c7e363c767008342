// Which GPU there is, and opening it. The twin of `src/device/adapter.rs`.

import { objection } from "./core.js";
import { Refusal } from "./refusal.js";

export const NO_WEBGPU =
  "This browser has no WebGPU. Chrome and Edge have it from version 113 on, Safari from 26, Firefox from 141 on Windows; " +
  "it also needs a page served by https or from localhost.";
export const NO_ADAPTER =
  "This browser has WebGPU, but finds no GPU that it may use. Look at its page about GPUs (chrome://gpu), whether hardware " +
  "acceleration is on, and for a newer driver.";

/** Limits that a compute program can meet: WebGPU's names with those of manifests. */
const LIMITS = {
  maxBindGroups: "max_bind_groups",
  maxBindingsPerBindGroup: "max_bindings_per_bind_group",
  maxBufferSize: "max_buffer_size",
  maxComputeInvocationsPerWorkgroup: "max_compute_invocations_per_workgroup",
  maxComputeWorkgroupSizeX: "max_compute_workgroup_size_x",
  maxComputeWorkgroupStorageSize: "max_compute_workgroup_storage_size",
  maxComputeWorkgroupsPerDimension: "max_compute_workgroups_per_dimension",
  maxStorageBufferBindingSize: "max_storage_buffer_binding_size",
  maxStorageBuffersPerShaderStage: "max_storage_buffers_per_shader_stage",
  minStorageBufferOffsetAlignment: "min_storage_buffer_offset_alignment",
};

/** Features used where a device has them. */
const WANTED = ["subgroups", "timestamp-query"];

/** On a software device large workgroups are slow, and each size takes seconds to compile. */
export const LARGEST_SOFTWARE_WORKGROUP = 64;

// Chromium on Linux starts its process for the GPU anew once it is asked for WebGPU, and has no adapter until that is up.
const ASKED_AGAIN = 3;
const ASKED_AGAIN_MS = 500;

const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|warp/i;

/**
 * An open device with all the limits that its adapter has.
 *
 * `info` is plain data: `{name, vendor, architecture, device, description, is_software, subgroup_min_size,
 * subgroup_max_size, features, limits}` with limits by the names of manifests. Errors that WebGPU reports outside of a call
 * (a lost device, a rejected command) are kept, and thrown by the next `check()`.
 */
export class Gpu {
  /** Opens the adapter that `gpu` (by default the browser's) prefers; throws a `Refusal` where there is none. */
  static async open({ gpu = globalThis.navigator?.gpu, powerPreference = "high-performance" } = {}) {
    if (!gpu) throw new Refusal(NO_WEBGPU);
    let adapter;
    try {
      adapter = await gpu.requestAdapter({ powerPreference });
      for (let again = 0; !adapter && again < ASKED_AGAIN; again += 1) {
        await new Promise((resolve) => setTimeout(resolve, ASKED_AGAIN_MS));
        adapter = await gpu.requestAdapter({ powerPreference });
      }
    } catch (error) {
      throw new Refusal(`${NO_ADAPTER} (${error.message})`, { cause: error });
    }
    if (!adapter) throw new Refusal(NO_ADAPTER);
    const requiredLimits = {};
    for (const name of Object.keys(LIMITS)) {
      if (adapter.limits[name] !== undefined) requiredLimits[name] = adapter.limits[name];
    }
    const requiredFeatures = WANTED.filter((feature) => adapter.features.has(feature));
    let device;
    try {
      device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
    } catch (error) {
      throw new Refusal(`The GPU could not be opened: ${oneLine(error.message)}. Close other pages that use it, and reload.`, {
        cause: error,
      });
    }
    return new Gpu(adapter, device);
  }

  constructor(adapter, device) {
    this.device = device;
    this.queue = device.queue;
    this.info = describe(adapter, device);
    this.hasTimestamps = device.features.has("timestamp-query");
    this.faults = [];
    this.isLost = false;
    /** Pipelines made so far: a kernel is compiled once, however many programs use it. */
    this.pipelines = new Map();
    /** Resolves with a sentence once the device is lost. */
    this.lost = device.lost.then(({ reason, message }) => {
      this.isLost = true;
      const why = message ? ` (${oneLine(message)})` : "";
      const sentence = reason === "destroyed" && this.closed
        ? "The GPU was given back."
        : `The GPU was lost${why}: its driver was reset, or the system took it away. Reload the page to go on; results so far are kept.`;
      this.faults.unshift(sentence);
      return sentence;
    });
    device.addEventListener?.("uncapturederror", (event) => {
      this.faults.push(`The GPU refused a command: ${oneLine(event.error.message)}`);
    });
  }

  /** Throws the first fault that was reported since the last call; a lost device stays lost. */
  check() {
    if (this.faults.length === 0) return;
    const [fault] = this.faults;
    if (!this.isLost) this.faults = [];
    throw new Refusal(fault);
  }

  /** Waits until everything that was submitted is done. */
  async done() {
    try {
      await this.queue.onSubmittedWorkDone();
    } catch {
      // A lost device; `check` says so.
      await this.#whenLost();
    }
  }

  /** Waits until what was destroyed is given back: a GPU may still use it, and some browsers look with the next submit alone. */
  async freed() {
    this.queue.submit([this.device.createCommandEncoder().finish()]);
    await this.done();
  }

  /** Maps a buffer for reading and gives a copy of its bytes. */
  async mapped(buffer) {
    try {
      await buffer.mapAsync(GPUMapMode_READ);
    } catch (error) {
      await this.#whenLost();
      this.check();
      throw new Refusal(`Results could not be read back from the GPU: ${oneLine(error.message)}`, { cause: error });
    }
    const bytes = buffer.getMappedRange().slice(0);
    buffer.unmap();
    return bytes;
  }

  async #whenLost() {
    await Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, 1000))]);
  }

  /** Lets go of pipelines and, once it is no longer used, of the device. */
  close() {
    this.closed = true;
    this.pipelines.clear();
    this.device.destroy();
  }

  /** Why a program cannot run here, or null. */
  objection(program) {
    return objection(JSON.stringify(program), JSON.stringify(this.info)) ?? null;
  }
}

// Node has no global constants of WebGPU.
const GPUMapMode_READ = 1;

function describe(adapter, device) {
  const info = adapter.info ?? {};
  const { vendor = "", architecture = "", device: model = "", description = "" } = info;
  const subgroups = device.features.has("subgroups");
  const limits = {};
  for (const [name, recorded] of Object.entries(LIMITS)) {
    // A number beyond these is no whole number any more, and means that there is no limit.
    if (device.limits[name] !== undefined) limits[recorded] = Math.min(Number(device.limits[name]), Number.MAX_SAFE_INTEGER);
  }
  const software = info.isFallbackAdapter === true || adapter.isFallbackAdapter === true;
  return {
    name: model || description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed GPU",
    vendor,
    architecture,
    device: model,
    description,
    is_software: software || SOFTWARE.test([vendor, architecture, model, description].join(" ")),
    subgroup_min_size: subgroups ? info.subgroupMinSize ?? 0 : 0,
    subgroup_max_size: subgroups ? info.subgroupMaxSize ?? 0 : 0,
    features: [...adapter.features].map(String).sort(),
    limits,
  };
}

/** Text of several lines as one. */
export function oneLine(text) {
  return String(text).split("\n").map((line) => line.trim()).filter(Boolean).join(" ");
}
