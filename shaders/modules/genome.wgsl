// Genes out of memory. Genomes are [parameter][individual], so that neighbouring threads read neighbouring words.
@group(0) @binding(FREE_BINDING + 1u) var<storage, read> genomes: array<f32>;

fn gene(individual: u32, parameter: u32) -> f32 {
    return genomes[parameter * request.population + individual];
}

// Four genes that lie `stride` parameters apart.
fn genes4(individual: u32, first: u32, stride: u32) -> vec4f {
    return vec4f(
        gene(individual, first),
        gene(individual, first + stride),
        gene(individual, first + 2u * stride),
        gene(individual, first + 3u * stride),
    );
}

// Two, three and four columns of them, which begin `apart` parameters from each other.
fn genes2x4(individual: u32, first: u32, apart: u32, stride: u32) -> mat2x4f {
    return mat2x4f(genes4(individual, first, stride), genes4(individual, first + apart, stride));
}

fn genes3x4(individual: u32, first: u32, apart: u32, stride: u32) -> mat3x4f {
    let near = genes2x4(individual, first, apart, stride);
    return mat3x4f(near[0], near[1], genes4(individual, first + 2u * apart, stride));
}

fn genes4x4(individual: u32, first: u32, apart: u32, stride: u32) -> mat4x4f {
    let near = genes2x4(individual, first, apart, stride);
    let far = genes2x4(individual, first + 2u * apart, apart, stride);
    return mat4x4f(near[0], near[1], far[0], far[1]);
}

#import modules/population.wgsl
