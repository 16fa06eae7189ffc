//! The compiler of the first Vulkan device, which need not exist.

use std::ffi::CStr;

use ash::khr::pipeline_executable_properties as properties;
use ash::vk;

use crate::spirv::Shader;

/// What it says of a pipeline.
pub struct Compiled {
    pub statistics: Vec<(String, u64)>,
    /// The last of its forms: what the device runs.
    pub code: String,
}

/// Lives as long as the process, as do the pipelines that it makes.
pub struct Compiler {
    instance: ash::Instance,
    physical: vk::PhysicalDevice,
    device: ash::Device,
    _entry: ash::Entry,
}

fn named<T>(what: &str, result: ash::prelude::VkResult<T>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn text(name: &[std::ffi::c_char]) -> String {
    // SAFETY: Vulkan ends its names with a zero, within the array.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
}

impl Compiler {
    pub fn new() -> Result<Self, String> {
        // SAFETY: the loader is kept for as long as anything of it is used.
        let entry = unsafe { ash::Entry::load() }.map_err(|error| format!("Vulkan: {error}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let about = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: all that the structures point to outlives the calls; handles come from the calls before.
        unsafe {
            let instance = named("an instance", entry.create_instance(&about, None))?;
            let devices = named("devices", instance.enumerate_physical_devices())?;
            let physical = *devices.first().ok_or("there is no Vulkan device")?;
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let extensions = [properties::NAME.as_ptr()];
            let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
                .pipeline_executable_info(true);
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
            let about = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut executables);
            let device = named("a device", instance.create_device(physical, &about, None))?;
            Ok(Self { instance, physical, device, _entry: entry })
        }
    }

    /// Its name.
    pub fn device(&self) -> String {
        // SAFETY: the handle is the instance's.
        text(&unsafe { self.instance.get_physical_device_properties(self.physical) }.device_name)
    }

    pub fn compile(&self, shader: &Shader) -> Result<Compiled, String> {
        let binding = |binding: u32| {
            let kind = if binding == 0 {
                vk::DescriptorType::UNIFORM_BUFFER
            } else {
                vk::DescriptorType::STORAGE_BUFFER
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(binding)
                .descriptor_type(kind)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = (0..=shader.last_binding).map(binding).collect();
        let device = &self.device;
        // SAFETY: as above; the SPIR-V is valid, as naga has checked what it is made of.
        unsafe {
            let about = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [named("a layout", device.create_descriptor_set_layout(&about, None))?];
            let about = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = named("a layout", device.create_pipeline_layout(&about, None))?;
            let about = vk::ShaderModuleCreateInfo::default().code(&shader.words);
            let module = named("a module", device.create_shader_module(&about, None))?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let about = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            );
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[about], None);
            let pipeline = made.map_err(|(_, error)| format!("a pipeline: {error}"))?[0];
            self.compiled(pipeline)
        }
    }

    /// SAFETY: `pipeline` is the device's, and was made to be asked.
    unsafe fn compiled(&self, pipeline: vk::Pipeline) -> Result<Compiled, String> {
        let of_device = properties::Device::new(&self.instance, &self.device);
        let about = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the forms' texts have the room that the first call asks for, and outlive the second.
        unsafe {
            let statistics = named("statistics", of_device.get_pipeline_executable_statistics(&about))?;
            let statistics =
                statistics.iter().map(|statistic| (text(&statistic.name), statistic.value.u64)).collect();
            let mut forms =
                named("code", of_device.get_pipeline_executable_internal_representations(&about))?;
            let mut texts: Vec<Vec<u8>> = forms.iter().map(|form| vec![0; form.data_size]).collect();
            for (form, text) in forms.iter_mut().zip(&mut texts) {
                form.p_data = text.as_mut_ptr().cast();
            }
            let mut count = forms.len() as u32;
            let fill = of_device.fp().get_pipeline_executable_internal_representations_khr;
            named("code", fill(of_device.device(), &about, &mut count, forms.as_mut_ptr()).result())?;
            let code = texts.last().map(|text| String::from_utf8_lossy(text).into_owned());
            Ok(Compiled { statistics, code: code.unwrap_or_default() })
        }
    }
}
